"""PNG of our pictures: every glyph is drawn, Chinese ones too, and no text is wider than was reckoned."""

import string
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

import pytest
import resvg_py
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.charts import groups, text
from services.segment.domain.charts.svg import FONTS, SIZE
from services.segment.domain.charts.words import EN, ZH
from services.segment.service import png
from services.segment.service.png import PngRenderer
from shared.errors import Unavailable
from tests.support import reports

SIDE: Final = 40  # pixels
NO_GLYPH: Final = "\ue000"  # for private use: no font has one, and each draws its empty box
FONT: Final = str(png._font())


def drawn(content: str, *, size: int = 24, wide: int = SIDE, over: float = 0, fonts: str = FONTS) -> bytes:
    """A text in a picture of its own, of whose left side a part is painted over."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{SIDE}" font-family="{fonts}">'
        f'<rect width="{wide}" height="{SIDE}" fill="#fff"/><text y="28" font-size="{size}">{escape(content)}</text>'
        f'<rect width="{over}" height="{SIDE}" fill="#fff"/></svg>'
    )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, font_files=[FONT]))


def letters() -> Iterator[str]:
    """What the pictures are written with: Latin letters, digits, signs, and every Chinese character of our texts."""
    yield from string.ascii_letters + string.digits + "%+−,.:()<·▲▼…–"
    for words in (EN, ZH):
        told = [getattr(words, name) for name in words.__struct_fields__ if name != "stage_names"]
        yield from "".join([*told, *words.stage_names.values()])


def test_every_glyph_that_our_texts_use_is_drawn_and_is_neither_a_box_nor_another_glyph() -> None:
    found = {one: drawn(one) for one in sorted(set(letters()) - set(" "))}
    assert drawn(NO_GLYPH) not in found.values()
    assert drawn("") not in found.values()
    assert len(set(found.values())) == len(found)


def test_characters_have_the_form_that_they_have_in_china_and_not_the_one_of_japan() -> None:
    for one in "骨直门角":
        assert drawn(one) == drawn(one, fonts="Noto Sans CJK SC") != drawn(one, fonts="Noto Sans CJK JP")


def test_names_in_other_chinese_and_in_japanese_and_korean_have_glyphs_too() -> None:
    found = [drawn(one) for one in "龍臺灣㐂𠮷ひカ한Жé"]
    assert not {drawn(NO_GLYPH), drawn("")} & set(found)
    assert len(set(found)) == len(found)


@settings(max_examples=60)
@given(st.text(string.printable[:95] + "éŒЖ客户数（，。·…", min_size=1, max_size=12))
def test_no_text_is_wider_than_was_reckoned(content: str) -> None:
    size = SIZE
    edge = text.width(content, size) + 1  # a stroke may lean over its own width
    assert drawn(content, size=size, wide=300, over=edge) == drawn("", size=size, wide=300)


@pytest.fixture
async def renderer() -> PngRenderer:
    """One for the test's loop."""
    return PngRenderer()


async def test_equal_pictures_are_equal_byte_for_byte_and_chinese_is_not_english(renderer: PngRenderer) -> None:
    report = reports.tiers(120, 860, 3_204, 19_391)
    chinese = await renderer.png(groups.draw(report, "zh"))
    assert chinese == await renderer.png(groups.draw(report, "zh")) != await renderer.png(groups.draw(report, "en"))
    assert chinese[:8] == b"\x89PNG\r\n\x1a\n"


async def test_a_picture_that_takes_too_long_is_given_up(
    renderer: PngRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "DEADLINE_SECONDS", 0.0)
    with pytest.raises(Unavailable):
        await renderer.png(groups.draw(reports.tiers(1, 1, 1, 1), "en"))


async def test_a_program_that_fails_is_an_error_of_ours(renderer: PngRenderer) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        await renderer.png("no picture")
