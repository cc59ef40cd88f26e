"""What docs/segments.md shows of words is read, or refused, as it says."""

import re
from typing import Final

import msgspec
import pytest

from deploy.local.settings import CHECKOUT
from services.segment.domain.conditions.words.errors import InvalidWords
from services.segment.service.conditions import parsed
from services.segment.service.definitions import LIMITS

PAGE: Final = (CHECKOUT / "docs" / "segments.md").read_text()
REFUSED: Final = re.findall(r"^\| `(\{\"text\": .*?\})` \| 422 \| (.*?) \|$", PAGE, re.MULTILINE)
CHINESE: Final = [
    words
    for row in re.findall(r"^\| (`.*?`) \|", PAGE[PAGE.index("| 说法 | 意思 |") :], re.MULTILINE)
    for words in re.findall(r"`([^`]+)`", row)
]
ENGLISH: Final = re.findall(r"`((?:ordered|trait|viewed|never)[^`]+)`", PAGE)


def test_the_page_has_words() -> None:
    assert (len(REFUSED) > 2, len(CHINESE) > 8, len(ENGLISH) > 4) == (True, True, True)


@pytest.mark.parametrize("words", CHINESE)
def test_chinese_of_the_page_is_read(words: str) -> None:
    assert parsed(words, None, LIMITS).language == "zh"


@pytest.mark.parametrize("words", ENGLISH)
def test_english_of_the_page_is_read(words: str) -> None:
    assert parsed(" ".join(words.split()), None, LIMITS).language == "en"


@pytest.mark.parametrize(("body", "told"), REFUSED)
def test_what_the_page_shows_as_refused_is_refused_in_these_words(body: str, told: str) -> None:
    with pytest.raises(InvalidWords) as refused:
        parsed(msgspec.json.decode(body)["text"], None, LIMITS)
    assert re.search(".*".join(map(re.escape, told.split("…"))), refused.value.detail), refused.value.detail
