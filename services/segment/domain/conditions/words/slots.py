"""Slots of sentences: names, texts, numbers, amounts, days and durations, each written and read by one rule."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.segment.domain.calendars import durations
from services.segment.domain.calendars.durations import InvalidDuration, Language
from services.segment.domain.conditions.customer import is_number
from services.segment.domain.conditions.words.reader import Found, Reader
from services.segment.domain.conditions.words.text import narrow, quoted
from shared.contracts.currencies import exponent

MAX_DIGITS: Final = 400  # of a number; every float has fewer

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[.\-][A-Za-z0-9_]+)*")
_CUT: Final = re.compile(r"[^\W\u3400-\u9fff]")  # what can't follow a bare name: it would be a part of it
_UNQUOTED: Final = re.compile(r"""[^ "(),、]{1,40}""")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+(?![0-9.])")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_CURRENCY: Final = re.compile(r"[A-Z]{3}(?![A-Za-z0-9_])", re.IGNORECASE | re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,12}\s*\w{1,12}")


class Writer(NamedTuple):
    """The language in which words are written, and its words that can't be names without quotation marks."""

    language: Language
    reserved: frozenset[str]


class Slot:
    """A part of a sentence that holds a value. What `write` writes, `read` reads back."""

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the value in words; an empty text if it goes without saying, None if it can't be written here."""
        raise NotImplementedError

    def read(self, reader: Reader, at: int) -> Found | None:
        """Returns the value at this place, and the place after it; None if there is none, and tells `reader` why."""
        raise NotImplementedError

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the phrases of the language that this slot is made of."""
        return ()


class _Text(Slot):
    """Any text: quoted, or without quotation marks where it is a plain name and no word of the language."""

    def __init__(self, expected: str, *, bare: bool) -> None:
        self._expected = expected
        self._bare = bare

    def write(self, value: Any, writer: Writer) -> str | None:
        if not isinstance(value, str):
            return None
        if self._bare and _BARE.fullmatch(value) and value.lower() not in writer.reserved:
            return value
        return quoted(value)

    def read(self, reader: Reader, at: int) -> Found | None:
        if at in reader.quoted:
            return reader.quoted[at]
        match = _BARE.match(reader.text, at)
        if match is None or _CUT.match(reader.text, match.end()):
            unquoted = _UNQUOTED.match(reader.text, at)
            reader.miss(at, self._expected, quoted(unquoted.group()) if unquoted else "")
            return None
        if match.group().lower() in reader.reserved:
            message = f"{self._expected} (`{match.group()}` is a word of this language: as a name, it has to be quoted)"
            reader.miss(at, message, quoted(match.group()))
            return None
        return match.group(), match.end()


class _Number(Slot):
    """A number: whole, or with a point or an exponent, which makes it a float."""

    def write(self, value: Any, writer: Writer) -> str | None:
        if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
            return None
        return repr(value) if isinstance(value, float) else str(value)

    def read(self, reader: Reader, at: int) -> Found | None:
        match = _NUMBER.match(reader.text, at)
        if match is None:
            reader.miss(at, "a number")
            return None
        text = match.group()
        if len(text) > MAX_DIGITS or not math.isfinite(float(text)):
            raise reader.invalid(at, "this number is too large")
        return (int(text) if text.lstrip("+-").isdigit() else float(text)), match.end()


class Whole(Slot):
    """A whole number; `shift` more of it is written than the value is."""

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the digits."""
        return str(value + self._shift) if isinstance(value, int) and not isinstance(value, bool) else None

    def read(self, reader: Reader, at: int) -> Found | None:
        """Returns the number."""
        match = _INTEGER.match(reader.text, at)
        if match is None:
            reader.miss(at, "a whole number")
            return None
        if len(match.group()) > MAX_DIGITS:
            raise reader.invalid(at, "this number is too large")
        return int(match.group()) - self._shift, match.end()


class _Day(Slot):
    """A day as 2026-11-30; a text of another form is quoted."""

    def write(self, value: Any, writer: Writer) -> str | None:
        if not isinstance(value, str):
            return None
        return value if _DAY.fullmatch(value) else quoted(value)

    def read(self, reader: Reader, at: int) -> Found | None:
        if at in reader.quoted:
            return reader.quoted[at]
        match = _DAY.match(reader.text, at)
        if match is None:
            reader.miss(at, "a day, as 2026-11-30")
            return None
        return match.group(), match.end()


class _Span(Slot):
    """A length of time: ISO 8601 as a value, `30 days` or `30天` in words."""

    def write(self, value: Any, writer: Writer) -> str | None:
        try:
            return durations.in_words(durations.parse(value), writer.language)
        except InvalidDuration:
            return None

    def read(self, reader: Reader, at: int) -> Found | None:
        try:
            found = durations.read_words(reader.text, reader.language, at)
            if found is not None:
                return durations.canonical(found[0]), found[1]
            if length := _LENGTH.match(reader.text, at):
                durations.from_words(length.group(), reader.language)
        except InvalidDuration as error:
            reader.miss(at, f"a length of time ({error.detail})", _with_unit(reader, at))
            return None
        reader.miss(at, "a length of time, as " + ("30天" if reader.language == "zh" else "30 days"))
        return None


def _with_unit(reader: Reader, at: int) -> str:
    """Returns the days that were meant, if a number stands here."""
    match = _INTEGER.match(reader.text, at)
    return "" if match is None else match.group() + ("天" if reader.language == "zh" else " days")


class _Amount(Slot):
    """An amount of money: minor units and a currency as a value, `100.00 USD` in words."""

    def write(self, value: Any, writer: Writer) -> str | None:
        number, currency = value
        if not is_number(number) or (isinstance(number, float) and not math.isfinite(number)):
            return None
        code = currency if _CURRENCY.fullmatch(currency) and currency.isupper() else quoted(currency)
        return f"{in_major_units(number, currency)} {code}"

    def read(self, reader: Reader, at: int) -> Found | None:
        before = _currency(reader, at)
        number = _NUMBER.match(reader.text, at if before is None else reader.skip(before[1]))
        if number is None:
            reader.miss(at, "an amount, as 100.00 USD")
            return None
        if len(number.group()) > MAX_DIGITS or not math.isfinite(float(number.group())):
            raise reader.invalid(at, "this number is too large")
        end = number.end()
        found = before or _currency(reader, reader.skip(end))
        if found is None:
            reader.miss(reader.skip(end), "a currency, as USD")
            return None
        return (in_minor_units(number.group(), found[0]), found[0]), max(end, found[1])


def _currency(reader: Reader, at: int) -> tuple[str, int] | None:
    if at in reader.quoted:
        return reader.quoted[at]
    match = _CURRENCY.match(reader.text, at)
    if match is None or match.group().lower() in reader.reserved:
        return None
    return match.group().upper(), match.end()


def in_major_units(minor: int | float, currency: str) -> str:
    """Returns an amount in minor units as a decimal of its currency, exact, with no fewer decimals than it has."""
    amount = Decimal(repr(minor))
    sign, digits, power = amount.as_tuple()
    assert isinstance(power, int)
    exact = Decimal((sign, digits, power - exponent(currency)))
    whole, _, decimals = f"{exact:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(exponent(currency), "0")
    return f"{whole}.{decimals}" if decimals else whole


def in_minor_units(amount: str, currency: str) -> int | float:
    """Returns a decimal amount of a currency in minor units: an integer wherever it is one."""
    sign, digits, power = Decimal(amount).as_tuple()
    assert isinstance(power, int)
    exact = Decimal((sign, digits, power + exponent(currency)))
    text = f"{exact:f}"
    whole, _, decimals = text.partition(".")
    return int(whole) if not decimals.strip("0") else float(text)


class _Flag(Slot):
    """True or false."""

    _TRUE: Final = re.compile(r"(?:true|真)(?![A-Za-z0-9_])", re.IGNORECASE | re.ASCII)
    _FALSE: Final = re.compile(r"(?:false|假)(?![A-Za-z0-9_])", re.IGNORECASE | re.ASCII)

    def write(self, value: Any, writer: Writer) -> str | None:
        if not isinstance(value, bool):
            return None
        return ("真" if value else "假") if writer.language == "zh" else ("true" if value else "false")

    def read(self, reader: Reader, at: int) -> Found | None:
        for value, pattern in ((True, self._TRUE), (False, self._FALSE)):
            if (match := pattern.match(reader.text, at)) is not None:
                return value, match.end()
        reader.miss(at, "真 or 假" if reader.language == "zh" else "true or false")
        return None

    def phrases(self, language: Language) -> Iterable[str]:
        return ("true", "false", "真", "假")


class OneOf(Slot):
    """What any of these slots holds: written by the first that can, read by the one that reads most."""

    def __init__(self, *slots: Slot) -> None:
        self._slots = slots

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the words of the first slot that has some."""
        return next((text for one in self._slots if (text := one.write(value, writer)) is not None), None)

    def read(self, reader: Reader, at: int) -> Found | None:
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

    def read(self, reader: Reader, at: int) -> Found | None:
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

    def read(self, reader: Reader, at: int) -> Found | None:
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
        space = "" if writer.language == "zh" else " "
        return None if first is None or second is None else space.join((first, self._between[writer.language], second))

    def read(self, reader: Reader, at: int) -> Found | None:
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
    """One of a few values, each with its phrases in both languages. The first is written; all are read."""

    def __init__(self, values: Mapping[Any, tuple[str | Sequence[str], str | Sequence[str]]]) -> None:
        self._phrases: dict[Language, dict[Any, tuple[str, ...]]] = {"en": {}, "zh": {}}
        for value, (english, chinese) in values.items():
            self._phrases["en"][value] = (english,) if isinstance(english, str) else tuple(english)
            self._phrases["zh"][value] = (chinese,) if isinstance(chinese, str) else tuple(chinese)
        self._patterns = {language: pattern_of(self.phrases(language)) for language in self._phrases}
        self._values = {
            language: {_key(phrase): value for value, phrases in by_value.items() for phrase in phrases}
            for language, by_value in self._phrases.items()
        }

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the value's first phrase."""
        phrases = self._phrases[writer.language].get(value)
        return None if phrases is None else phrases[0]

    def read(self, reader: Reader, at: int) -> Found | None:
        """Returns the value whose phrase stands there."""
        match = self._patterns[reader.language].match(reader.text, at)
        if match is not None:
            return self._values[reader.language][_key(match.group())], match.end()
        for phrases in self._phrases[reader.language].values():
            for phrase in phrases:
                reader.miss(at, f'"{phrase}"' if phrase == phrases[0] else "", phrase)
        return None

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns all phrases."""
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


NAME: Final = _Text("a name", bare=True)
TEXT: Final = _Text("a text", bare=False)
NUMBER: Final = _Number()
WHOLE: Final = Whole()
DAY: Final = _Day()
SPAN: Final = _Span()
AMOUNT: Final = _Amount()
SCALAR: Final = OneOf(_Flag(), NUMBER, TEXT)
"""A flag, a number or a text. Texts are written quoted; a plain name is read as a text without, too."""
