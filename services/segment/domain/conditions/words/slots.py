"""Slots of sentences: what holds a value, written and read by one rule; and slots made of slots."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.segment.domain.conditions.words.reader import Found, TextReader
from services.segment.domain.conditions.words.text import narrow
from shared.calendars.durations import Language


class Writer(NamedTuple):
    """The language in which words are written, and its words that can't be names without quotation marks."""

    language: Language
    reserved: frozenset[str]


class Slot:
    """A part of a sentence that holds a value. What `write` writes, `read` reads back."""

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the value in words; an empty text if it goes without saying, None if it can't be written here."""
        raise NotImplementedError

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the value at this place, and the place after it; None if there is none, and tells `reader` why."""
        raise NotImplementedError

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of the language that this slot is made of."""
        return ()


class OneOf(Slot):
    """What any of these slots holds: written by the first that can, read by the one that reads most."""

    def __init__(self, *slots: Slot) -> None:
        self._slots = slots

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the words of the first slot that has some."""
        return next((text for one in self._slots if (text := one.write(value, writer)) is not None), None)

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns what the slot found that read furthest."""
        found = [one for slot in self._slots if (one := reader.read(slot, at)) is not None]
        return max(found, key=lambda one: one[1], default=None)

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of all of them."""
        return (phrase for slot in self._slots for phrase in slot.phrases(language))


class Maybe(Slot):
    """What a slot holds, or nothing, which stands for a value of its own."""

    def __init__(self, slot: Slot, absent: Any) -> None:
        self._slot = slot
        self._absent = absent

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the slot's words, or an empty text."""
        return "" if value == self._absent else self._slot.write(value, writer)

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns what the slot found, or nothing."""
        return reader.read(self._slot, at) or (self._absent, at)

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the slot's phrases."""
        return self._slot.phrases(language)


class ListOf(Slot):
    """One value or several, with commas between them; in Chinese with 、."""

    _SEPARATOR: Final = re.compile(r"[,、]")

    def __init__(self, slot: Slot, *, least: int = 1) -> None:
        self._slot = slot
        self._least = least

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the values' words with separators."""
        if not isinstance(value, list | tuple) or len(value) < self._least:
            return None
        texts = [self._slot.write(one, writer) for one in value]
        several = [text for text in texts if text is not None]
        if len(several) < len(texts):
            return None
        return ("、" if writer.language == "zh" else ", ").join(several)

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the values as a tuple. A separator that no value follows is not a part of the list."""
        values: list[Any] = []
        end = place = at
        while (found := reader.read(self._slot, place)) is not None:
            values.append(found[0])
            end = found[1]
            separator = reader.match(self._SEPARATOR, end, "、" if reader.language == "zh" else ",")
            if separator is None:
                break
            place = separator
        return (tuple(values), end) if len(values) >= self._least else None


class Pair(Slot):
    """Two values of one slot, with a phrase between them; read as a tuple."""

    def __init__(self, slot: Slot, between: Mapping[Language, str]) -> None:
        self._slot = slot
        self._between = between
        self._patterns = {language: pattern_of([phrase]) for language, phrase in between.items()}

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns both values' words."""
        if not isinstance(value, list | tuple) or len(value) != 2:
            return None
        first, second = (self._slot.write(one, writer) for one in value)
        return None if first is None or second is None else f"{first} {self._between[writer.language]} {second}"

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns both values."""
        first = reader.read(self._slot, at)
        if first is None:
            return None
        between = reader.match(self._patterns[reader.language], first[1], self._between[reader.language])
        second = None if between is None else reader.read(self._slot, between)
        return None if second is None else ((first[0], second[0]), second[1])

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrase between."""
        return (self._between[language],)


class Choice(Slot):
    """One of a few values, each with its phrases in both languages. The first is written; all are read.

    The phrases of a choice that is not `reserved` stay names without quotation marks elsewhere.
    """

    def __init__(
        self, values: Mapping[Any, tuple[str | Sequence[str], str | Sequence[str]]], *, reserved: bool = True
    ) -> None:
        self._reserved = reserved
        self._phrases: dict[Language, dict[Any, tuple[str, ...]]] = {"en": {}, "zh": {}}
        for value, (english, chinese) in values.items():
            self._phrases["en"][value] = (english,) if isinstance(english, str) else tuple(english)
            self._phrases["zh"][value] = (chinese,) if isinstance(chinese, str) else tuple(chinese)
        self._patterns = {language: pattern_of(self._all(language)) for language in self._phrases}
        self._values = {
            language: {_key(phrase): value for value, phrases in by_value.items() for phrase in phrases}
            for language, by_value in self._phrases.items()
        }

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the value's first phrase."""
        phrases = self._phrases[writer.language].get(value)
        return None if phrases is None else phrases[0]

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the value whose phrase stands there."""
        match = self._patterns[reader.language].match(reader.text, at)
        if match is not None:
            return self._values[reader.language][_key(match.group())], match.end()
        if at < reader.furthest:
            return None
        for phrases in self._phrases[reader.language].values():
            for phrase in phrases:
                reader.miss(at, f'"{phrase}"' if phrase == phrases[0] else "", phrase)
        return None

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns all phrases, if they are reserved."""
        return self._all(language) if self._reserved else ()

    def _all(self, language: Language) -> list[str]:
        return [phrase for phrases in self._phrases[language].values() for phrase in phrases]


def pattern_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Returns the pattern of any of these phrases, in any case and with any spaces; a word is never cut in two."""
    usual = ("".join(map(narrow, phrase)) for phrase in phrases)
    # The longest first: "at least" before "at", 不少于 before 不.
    alternatives = "|".join(_alternative(one) for one in sorted(usual, key=len, reverse=True))
    return re.compile(rf"(?:{alternatives})", re.IGNORECASE | re.ASCII)


def _alternative(phrase: str) -> str:
    pattern = ""
    for n, one in enumerate(phrase):
        if one == " ":
            pattern += " +"
        elif n and (phrase[n - 1] != " ") and not (one.isascii() and phrase[n - 1].isascii()):
            pattern += " *" + re.escape(one)
        else:
            pattern += re.escape(one)
    return pattern + (r"(?![A-Za-z0-9_])" if phrase[-1].isascii() and phrase[-1].isalnum() else "")


def _key(phrase: str) -> str:
    return "".join(map(narrow, phrase)).replace(" ", "").lower()
