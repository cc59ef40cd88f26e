"""One reading of a text: every rule is tried once at a place, and the furthest place at which one failed is kept."""

import difflib
import re
from typing import Any, Final, Protocol

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.words.errors import InvalidWords
from services.segment.domain.conditions.words.text import scan
from shared.calendars.durations import Language

MAX_NESTED: Final = (
    60  # parentheses within parentheses: more than a request's JSON may nest, and far from the stack's end
)
MAX_EXPECTED: Final = 8  # of what could stand at a place, that are told
LEAST_ALIKE: Final = 0.6  # of 1: how alike a word has to be to what is suggested

Found = tuple[Any, int]
"""What was read, and the place after it."""

_SPACES: Final = re.compile(r" *")


class Readable(Protocol):
    """A rule: reads a value at a place."""

    def read(self, reader: "TextReader", at: int) -> Found | None:
        """Returns the value at this place, and the place after it; None if there is none, and tells `reader` why."""


class TextReader:
    """A text that is read, by rules that remember what they found: none is tried twice at one place.

    So the work is bounded by the number of rules times that of places, however the rules are nested. Source: Ford,
    Packrat Parsing, 2002.
    """

    def __init__(self, text: str, language: Language, reserved: frozenset[str], limits: Limits) -> None:
        scanned = scan(text)
        self.written = text
        self.text = scanned.plain
        self.quoted = scanned.quoted
        self.language = language
        self.reserved = reserved
        self.limits = limits
        self.conditions = 0
        self.furthest = 0  # the place at which something was missed; what was missed before it does not matter
        self._nested = 0
        self._found: dict[tuple[int, int], Found | None] = {}
        self._expected: dict[str, None] = {}
        self._words: dict[str, None] = {}
        self._beginnings: dict[int, str] = {}

    def read(self, rule: Readable, at: int) -> Found | None:
        """Returns what the rule reads at this place; spaces before it are skipped."""
        place = self.skip(at)
        key = (id(rule), place)
        if key not in self._found:
            self._found[key] = rule.read(self, place)
        return self._found[key]

    def match(self, pattern: re.Pattern[str], at: int, phrase: str, *, usual: bool = True) -> int | None:
        """Returns the place after a phrase that stands at this place; spaces before it are skipped.

        What is not the usual phrase is not told to be expected, but may be what was meant.
        """
        place = self.skip(at)
        match = pattern.match(self.text, place)
        if match is not None:
            return match.end()
        self.miss(place, f'"{phrase}"' if usual else "", phrase)
        return None

    def skip(self, at: int) -> int:
        """Returns the place of the first character, from this place on, that is no space."""
        match = _SPACES.match(self.text, at)
        return at if match is None else match.end()

    def miss(self, at: int, expected: str, word: str = "") -> None:
        """Notes what could have stood at a place: a description, and the word if it is one."""
        if at < self.furthest:
            return
        if at > self.furthest:
            self.furthest = at
            self._expected.clear()
            self._words.clear()
        if expected:
            self._expected[expected] = None
        if word:
            self._words[word] = None

    def begin(self, at: int, what: str) -> None:
        """Notes that at this place begins something that has many beginnings, so that they are not told one by one."""
        self._beginnings[self.skip(at)] = what

    def deeper(self, at: int, steps: int) -> None:
        """Notes that a parenthesis begins (1) or ends (-1). Raises `InvalidWords` where they are too deep."""
        self._nested += steps
        if self._nested > MAX_NESTED:
            raise self.invalid(at, f"parentheses may lie {MAX_NESTED} deep")

    def invalid(self, at: int, message: str) -> InvalidWords:
        """Returns the error that says that what stands at a place can't be so."""
        return InvalidWords(self.written, at, message)

    def failure(self) -> InvalidWords:
        """Returns the error of a text that no rule reads: what could stand at the furthest place that was reached."""
        at = self.furthest
        expected = list(self._expected)
        if at in self._beginnings:
            expected = [self._beginnings[at]]
        more = ", …" if len(expected) > MAX_EXPECTED else ""
        message = f"expected {', '.join(expected[:MAX_EXPECTED])}{more}"
        return InvalidWords(self.written, at, message, expected=expected[:MAX_EXPECTED], suggestion=self._nearest(at))

    def _nearest(self, at: int) -> str:
        """Returns the word that is most like what stands at a place, among those that could stand there."""
        best, alike = "", LEAST_ALIKE
        for word in self._words:
            for length in (len(word), len(word) - 1, len(word) + 1):
                given = self.text[at : at + length].lower().strip()
                # People mistake the first letter last.
                if given and len(word) > 1 and (given[0] == word[0].lower() or word[0] == '"'):
                    ratio = difflib.SequenceMatcher(None, word.lower(), given).ratio()
                    if ratio > alike:
                        best, alike = word, ratio
        return best
