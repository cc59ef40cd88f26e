"""Pictures of reports: valid, within their bounds, the same every time, and the same as those that were looked at.

`python -m tests.unit.segment.test_charts write` writes the golden pictures and the one in docs: look at them then.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.charts import abc, groups, palette, rfm, sizes, text
from services.segment.domain.charts.formats import Language
from services.segment.domain.charts.svg import SIZE, WIDTH
from services.segment.domain.charts.words import EN, WORDS, ZH, Words
from services.segment.domain.reports import (
    AbcClass,
    AbcPoint,
    AbcReport,
    Group,
    GroupsReport,
    ReportName,
    RfmCell,
    RfmReport,
    SegmentSizes,
    SizePoint,
    SizesReport,
    full_grid,
)
from services.segment.domain.standing import Stage
from tests.support import reports
from tests.support.examples import at_least

SVG: Final = "{http://www.w3.org/2000/svg}"
HERE: Final = Path(__file__).parent / "pictures"
DOCS: Final = Path(__file__).parents[3] / "docs" / "images"
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
DRAW: Final[Mapping[str, Callable[[Any, Language], str]]] = {
    "tiers": groups.draw,
    "stages": groups.draw,
    "rfm": rfm.draw,
    "abc": abc.draw,
    "sizes": sizes.draw,
}
MANY: Final = ("Champions", reports.LONG_NAME, reports.LONG_CHINESE_NAME, "流失风险", "VIP", "b&w")
GOLDEN: Final[Mapping[Path, str]] = {
    HERE / "tiers-en.svg": groups.draw(reports.tiers(120, 860, 3_204, 19_391), "en"),
    HERE / "stages-zh.svg": groups.draw(reports.stages(18_230, 310, 2_200, 905, 77, 1_200, 0, 653), "zh"),
    HERE / "rfm-tertiles-zh.svg": rfm.draw(reports.rfm(3), "zh"),
    HERE / "abc-en.svg": abc.draw(reports.abc(), "en"),
    HERE / "sizes-of-one-en.svg": sizes.draw(reports.sizes("Champions"), "en"),
    HERE / "sizes-of-six-zh.svg": sizes.draw(reports.sizes(*MANY), "zh"),
    HERE / "nobody-zh.svg": groups.draw(reports.NOBODY["tiers"], "zh"),
    DOCS / "report-rfm.svg": rfm.draw(reports.rfm(5), "en"),
}

names = st.text(st.characters(), max_size=60) | st.sampled_from((reports.LONG_NAME, reports.LONG_CHINESE_NAME))
counted = st.integers(0, 40) | st.integers(0, 2**53)
languages = st.sampled_from(LANGUAGES)


def parsed(svg: str) -> ET.Element:
    """The picture's root. Raises `ParseError`."""
    return ET.fromstring(svg)  # noqa: S314 - our own


def texts(svg: str) -> Iterator[tuple[str, ET.Element]]:
    """Each text that is seen, and its element."""
    for one in parsed(svg).iter(f"{SVG}text"):
        short = one.find(f"{SVG}title")
        yield (one.text or "") if short is None else (short.tail or ""), one


def overflowing(svg: str) -> list[str]:
    """The texts that may run over an edge of the picture."""
    root = parsed(svg)
    found = []
    for shown, one in texts(svg):
        turned = "transform" in one.attrib
        end = float(root.attrib["height"]) if turned else float(WIDTH)
        at = float(one.attrib["y" if turned else "x"])
        long = text.width(shown, float(one.attrib["font-size"]), bold="font-weight" in one.attrib)
        before = {"start": 0.0, "middle": long / 2, "end": long}[one.get("text-anchor", "start")]
        if at - before < -0.5 or at - before + long > end + 0.5:
            found.append(shown)
    return found


def check(draw: Callable[[Any, Language], str], report: Any, language: Language) -> None:
    """What holds for every picture."""
    svg = draw(report, language)
    root = parsed(svg)
    assert overflowing(svg) == []
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert title.text
    assert description.text
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
    for one in root.iter(f"{SVG}rect"):
        assert float(one.attrib["width"]) >= 0
        assert float(one.attrib["height"]) >= 0
    assert draw(report, language) == svg


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_picture_is_the_one_that_was_looked_at(path: Path) -> None:
    assert GOLDEN[path] == path.read_text(encoding="utf-8"), (
        "if the change is meant: python -m tests.unit.segment.test_charts write, and look at it"
    )
    assert overflowing(GOLDEN[path]) == []


@settings(max_examples=at_least(100))
@given(st.lists(st.builds(Group, name=names, customers=counted), min_size=1, max_size=9), languages)
def test_bars_of_any_names_and_counts_are_valid_and_stay_within_the_picture(
    groups_: list[Group], language: Language
) -> None:
    for by in (ReportName.TIERS, ReportName.STAGES):
        check(groups.draw, GroupsReport(by=by, at=reports.AT, groups=tuple(groups_)), language)


@settings(max_examples=at_least(60))
@given(st.sampled_from((3, 5)), st.data(), languages)
def test_a_grid_of_any_counts_is_valid_and_stays_within_the_picture(
    levels: int, data: st.DataObject, language: Language
) -> None:
    score = st.integers(1, levels)
    cell = st.builds(RfmCell, recency=score, frequency=score, customers=counted, spend_minor=st.integers(-5, 2**53))
    cells = full_grid(data.draw(st.lists(cell, max_size=25)), levels=levels)
    assert len(cells) == levels**2
    check(rfm.draw, RfmReport(at=reports.AT, currency="USD", levels=levels, cells=cells), language)


@settings(max_examples=at_least(60))
@given(st.lists(st.tuples(counted, st.integers(0, 2**53)), min_size=3, max_size=3), languages)
def test_a_curve_of_any_classes_is_valid_and_stays_within_the_picture(
    made: list[tuple[int, int]], language: Language
) -> None:
    classes = tuple(
        AbcClass(name=name, customers=n, revenue_minor=paid) for name, (n, paid) in zip("ABC", made, strict=True)
    )
    whole = AbcPoint(customers=sum(n for n, _ in made), revenue_minor=sum(paid for _, paid in made))
    check(abc.draw, AbcReport(at=reports.AT, currency="USD", points=(whole,), classes=classes), language)


point = st.tuples(st.integers(0, 400 * 86_400), counted, st.none() | counted, st.none() | counted)


@settings(max_examples=at_least(70))
@given(
    st.lists(st.tuples(names, st.lists(point, max_size=12)), max_size=8),
    st.integers(0, 400 * 86_400),
    languages,
)
def test_lines_of_any_sizes_are_valid_and_stay_within_the_picture(
    made: list[tuple[str, list[tuple[int, int, int | None, int | None]]]], seconds: int, language: Language
) -> None:
    since = reports.AT - timedelta(seconds=seconds)
    segments = tuple(
        SegmentSizes(
            segment_id=str(at),
            name=name,
            points=tuple(
                SizePoint(at=since + timedelta(seconds=min(after, seconds)), members=n, entered=entered, exited=exited)
                for after, n, entered, exited in sorted(points, key=lambda one: one[0])
            ),
        )
        for at, (name, points) in enumerate(made)
    )
    check(sizes.draw, SizesReport(since=since, at=reports.AT, segments=segments), language)


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("language", LANGUAGES)
def test_without_data_a_picture_tells_so_in_its_language(name: str, language: Language) -> None:
    report = reports.NOBODY[name]
    check(DRAW[name], report, language)
    shown = " ".join(one for one, _ in texts(DRAW[name](report, language)))
    words = WORDS[language]
    notes = (words.no_customers, words.no_orders, words.no_revenue.format("USD"), words.no_sizes)
    assert sum(note in shown for note in notes) == 1
    if language == "zh":
        foreign = shown.replace("UTC", "").replace("USD", "")
        assert not any("a" <= one.lower() <= "z" for one in foreign), shown


def test_what_a_shop_calls_its_segments_is_written_as_it_is_and_whole_where_a_pointer_rests() -> None:
    svg = sizes.draw(reports.sizes("<b>&\"'", reports.LONG_NAME), "en")
    shown = [one for one, _ in texts(svg)]
    assert "<b>&\"'" in shown
    [short] = [one for one in shown if one.endswith(text.ELLIPSIS)]
    assert reports.LONG_NAME.startswith(short.removesuffix(text.ELLIPSIS))
    titles = [one.text for one in parsed(svg).iter(f"{SVG}title")]
    assert titles.count(reports.LONG_NAME) == 2  # of the text, and of the line


@given(names, st.floats(20, 400), st.booleans())
def test_a_text_that_fits_stays_and_of_another_the_beginning_does(content: str, limit: float, bold: bool) -> None:
    shown = text.fit(content, SIZE, limit, bold=bold)
    if text.width(content, SIZE, bold=bold) <= limit:
        assert shown == content
    else:
        assert content.startswith(shown.removesuffix(text.ELLIPSIS).rstrip())
        assert shown.endswith(text.ELLIPSIS)
        assert text.width(shown, SIZE, bold=bold) <= limit + 0.1


def test_a_chinese_text_is_taken_for_nearly_twice_as_wide_as_a_latin_one_and_accents_for_nothing() -> None:
    assert text.width("客户客户", SIZE) == 4 * SIZE
    assert text.width("cafe", SIZE) == text.width("café", SIZE) == text.width("cafe\u0301", SIZE) < 3 * SIZE
    assert text.fit("e\u0301" * 99, SIZE, 40).count("e") == text.fit("e\u0301" * 99, SIZE, 40).count("\u0301")


def test_texts_and_marks_stand_out_from_what_they_stand_on() -> None:
    grounds = (palette.WHITE, *palette.BANDS, *(palette.heat(share / 10) for share in range(11)))
    for ground in grounds:
        assert palette.contrast(palette.INK, ground) >= 7
        assert palette.contrast(palette.SOFT_INK, ground) >= (4.5 if ground in (palette.WHITE, *palette.BANDS) else 3)
    for mark in (*palette.SERIES, palette.BAR, palette.ENTERED, palette.EXITED):
        assert palette.contrast(mark, palette.WHITE) >= 3


# What a screen's red, green and blue, without gamma, become for somebody without one kind of cones. Source: Machado,
# Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.
DEFICIENCIES: Final = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


@pytest.mark.parametrize("matrix", DEFICIENCIES.values(), ids=DEFICIENCIES)
def test_the_colours_of_lines_differ_for_people_who_see_fewer(matrix: tuple[tuple[float, ...], ...]) -> None:
    def seen(colour: str) -> list[float]:
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [one**2.2 for one in (red, green, blue)]
        mixed = [sum(factor * one for factor, one in zip(row, linear, strict=True)) for row in matrix]
        return [255 * min(max(one, 0), 1) ** (1 / 2.2) for one in mixed]

    first, second = palette.ENTERED, palette.EXITED  # side by side, and without dashes
    assert max(abs(a - b) for a, b in zip(seen(first), seen(second), strict=True)) > 60
    for at, one in enumerate(palette.SERIES):
        for other, dashes in zip(palette.SERIES[:at], palette.DASHES[:at], strict=True):
            assert dashes != palette.DASHES[at]
            assert max(abs(a - b) for a, b in zip(seen(one), seen(other), strict=True)) > 20


def test_each_stage_has_a_name_and_each_text_its_places_in_every_language() -> None:
    for words in (EN, ZH):
        assert set(Stage) <= words.stage_names.keys()
    assert EN.stage_names.keys() == ZH.stage_names.keys()
    for name in Words.__struct_fields__:
        first, second = getattr(EN, name), getattr(ZH, name)
        if name != "stage_names":
            assert first.count("{}") == second.count("{}"), name
            assert first != "", name


if __name__ == "__main__":
    assert sys.argv[1:] == ["write"], "python -m tests.unit.segment.test_charts write"
    for path, picture in GOLDEN.items():
        path.write_text(picture, encoding="utf-8")
