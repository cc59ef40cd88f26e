"""A text as it is read: quoted texts found, and all else in one form, so that each character keeps its place."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Final, NamedTuple

from services.segment.domain.conditions.words.errors import InvalidWords
from shared.calendars.durations import Language

MAX_CHARACTERS: Final = 10_000

_JSON_TEXT: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_CLOSING: Final = {"「": "」", "『": "』", "“": "”", "”": "”", "＂": "＂"}
_CJK: Final = re.compile(r"[\u3400-\u9fff]")


class Text(NamedTuple):
    """A text, as long as the one that was written: where something is quoted there are quotation marks only."""

    plain: str
    quoted: Mapping[int, tuple[str, int]]
    """By the place at which a quotation begins: what it says, and the place after it."""


def quoted(text: str) -> str:
    """Returns a text in quotation marks, written as JSON does."""
    return json.dumps(text, ensure_ascii=False)


def scan(text: str) -> Text:
    """Returns a text as it is read: full-width characters as their narrow ones, spaces of all kinds as spaces.

    Raises `InvalidWords` for a text that is too long, and for a quotation that does not end.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"there are {len(text)} characters; {MAX_CHARACTERS} are allowed"
        raise InvalidWords(text[: MAX_CHARACTERS + 100], MAX_CHARACTERS, message)
    parts: list[str] = []
    found: dict[int, tuple[str, int]] = {}
    at = 0
    while at < len(text):
        if text[at] == '"' or text[at] in _CLOSING:
            value, end = _quotation(text, at)
            found[at] = (value, end)
            parts.append('"' * (end - at))
            at = end
        else:
            parts.append(narrow(text[at]))
            at += 1
    return Text("".join(parts), found)


def detect(text: str) -> Language:
    """Returns the language of a text: Chinese if there is a Chinese character outside of quotation marks."""
    return "zh" if _CJK.search(scan(text).plain) else "en"


def narrow(character: str) -> str:
    """Returns a character in its usual form: full-width ones narrow, spaces of all kinds as a space."""
    if character.isspace():
        return " "
    usual = unicodedata.normalize("NFKC", character)
    return usual if len(usual) == 1 and usual != '"' else character


def _quotation(text: str, at: int) -> tuple[str, int]:
    if text[at] != '"':
        end = text.find(_CLOSING[text[at]], at + 1)
        if end < 0:
            raise InvalidWords(text, at, f"this quotation does not end: {_CLOSING[text[at]]} is missing")
        return text[at + 1 : end], end + 1
    match = _JSON_TEXT.match(text, at)
    if match is None:
        raise InvalidWords(text, at, 'this quotation does not end: " is missing')
    try:
        value: str = json.loads(match.group(), strict=False)
        value.encode()
    except ValueError:
        message = r"this quotation has an escape that JSON does not have; write \" for a quotation mark, \\ for \ "
        raise InvalidWords(text, at, message.strip()) from None
    if "\x00" in value:
        raise InvalidWords(text, at, "this quotation contains the character U+0000; remove it")
    return value, match.end()
