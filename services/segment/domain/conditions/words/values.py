"""Values in sentences: names, texts, numbers, amounts, days and durations."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from services.segment.domain.conditions.words.reader import Found, TextReader
from services.segment.domain.conditions.words.slots import OneOf, Slot, Writer, pattern_of
from services.segment.domain.conditions.words.text import quoted
from shared.calendars import durations
from shared.calendars.durations import InvalidDuration, Language
from shared.contracts.currencies import exponent
from shared.contracts.property_filter import is_number

EXACT_FLOATS: Final = 2.0**53  # from here on not every integer is a float
MAX_DIGITS: Final = 400  # of a number; every float has fewer

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[.\-][A-Za-z0-9_]+)*")
_CUT: Final = re.compile(r"[^\W\u3400-\u9fff]")  # what can't follow a bare name: it would be a part of it
_UNQUOTED: Final = re.compile(r"""[^ "(),、]{1,40}""")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+(?![0-9.])")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_CURRENCY: Final = re.compile(r"[A-Z]{3}(?![A-Za-z0-9_])", re.IGNORECASE | re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,12}\s*\w{1,12}")


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

    def read(self, reader: TextReader, at: int) -> Found | None:
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

    def read(self, reader: TextReader, at: int) -> Found | None:
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

    def read(self, reader: TextReader, at: int) -> Found | None:
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
        if not isinstance(value, str) or not value:
            return None
        return value if _DAY.fullmatch(value) else quoted(value)

    def read(self, reader: TextReader, at: int) -> Found | None:
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

    def read(self, reader: TextReader, at: int) -> Found | None:
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


def _with_unit(reader: TextReader, at: int) -> str:
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

    def read(self, reader: TextReader, at: int) -> Found | None:
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


def _currency(reader: TextReader, at: int) -> tuple[str, int] | None:
    if at in reader.quoted:
        return reader.quoted[at]
    if reader.language == "zh" and reader.text.startswith("元", at):
        return "CNY", at + 1
    match = _CURRENCY.match(reader.text, at)
    if match is None or match.group().lower() in reader.reserved:
        return None
    return match.group().upper(), match.end()


def in_major_units(minor: int | float, currency: str) -> str:
    """Returns an amount in minor units as a decimal of its currency, exact, with no fewer decimals than it has.

    A float so large that it is not the integer that it is written as has an exponent, and stays a float.
    """
    amount = Decimal(repr(minor))
    sign, digits, power = amount.as_tuple()
    assert isinstance(power, int)
    exact = Decimal((sign, digits, power - exponent(currency)))
    if isinstance(minor, float) and abs(minor) >= EXACT_FLOATS:
        return f"{exact:e}"
    whole, _, decimals = f"{exact:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(exponent(currency), "0")
    return f"{whole}.{decimals}" if decimals else whole


def in_minor_units(amount: str, currency: str) -> int | float:
    """Returns a decimal amount of a currency in minor units: an integer wherever it is one."""
    sign, digits, power = Decimal(amount).as_tuple()
    assert isinstance(power, int)
    exact = Decimal((sign, digits, power + exponent(currency)))
    text = f"{exact:f}"
    if "e" in amount.lower():
        return float(text)
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

    def read(self, reader: TextReader, at: int) -> Found | None:
        for value, pattern in ((True, self._TRUE), (False, self._FALSE)):
            if (match := pattern.match(reader.text, at)) is not None:
                return value, match.end()
        reader.miss(at, "真 or 假" if reader.language == "zh" else "true or false")
        return None

    def phrases(self, language: Language) -> Iterable[str]:
        return ("true", "false", "真", "假")


class Quantity(Slot):
    """A number of things: `1 time`, `3 times`, 3次."""

    def __init__(self, number: Slot, one: str, several: str, chinese: str, *, more: tuple[str, ...] = ()) -> None:
        self._number = number
        self._one, self._several, self._chinese = one, several, chinese
        self._patterns = {"en": pattern_of([one, several, *more]), "zh": pattern_of([chinese])}

    def write(self, value: Any, writer: Writer) -> str | None:
        """Returns the number with its noun."""
        number = self._number.write(value, writer)
        if number is None:
            return None
        return f"{number}{self._chinese}" if writer.language == "zh" else f"{number} {self._noun(number)}"

    def _noun(self, number: str) -> str:
        return self._one if number == "1" else self._several

    def read(self, reader: TextReader, at: int) -> Found | None:
        """Returns the number."""
        found = reader.read(self._number, at)
        if found is None:
            return None
        noun = self._chinese if reader.language == "zh" else self._noun(str(found[0]))
        end = reader.match(self._patterns[reader.language], found[1], noun)
        return None if end is None else (found[0], end)

    def phrases(self, language: Language) -> Iterable[str]:
        """Returns the nouns."""
        return (self._chinese,) if language == "zh" else (self._one, self._several)


NAME: Final = _Text("a name", bare=True)
TEXT: Final = _Text("a text", bare=False)
NUMBER: Final = _Number()
WHOLE: Final = Whole()
DAY: Final = _Day()
SPAN: Final = _Span()
AMOUNT: Final = _Amount()
SCALAR: Final = OneOf(_Flag(), NUMBER, TEXT)
"""A flag, a number or a text. Texts are written quoted; a plain name is read as a text without, too."""

DAYS: Final = Quantity(WHOLE, "day", "days", "天")
TIMES: Final = Quantity(WHOLE, "time", "times", "次")
ORDERS: Final = Quantity(NUMBER, "order", "orders", "个")
