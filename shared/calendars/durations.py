"""Exact lengths of time: as ISO 8601 text (`P30D`), and as words in English and Chinese (`30 days`, `30天`).

A length is a `timedelta` of whole seconds, from 1 second to 10 years. Months and years have no exact length, and are
refused with a message that says what to write. Weeks are read, and written as days: `P2W` and `P14D` are one length,
which has one text.
"""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, NoReturn

from shared.errors import Invalid

Language = Literal["en", "zh"]

LEAST: Final = timedelta(seconds=1)
MOST: Final = timedelta(days=3_653)  # no ten years of the calendar are longer

_DIGITS: Final = r"[0-9]{1,12}"  # more are beyond MOST in every unit, unless they are zeros


class InvalidDuration(Invalid):
    """The duration is not valid."""


class _Unit(NamedTuple):
    seconds: int
    letter: str  # of ISO 8601
    en: str
    zh: str


_WEEK: Final = _Unit(604_800, "W", "week", "周")
_DAY: Final = _Unit(86_400, "D", "day", "天")
_CLOCK: Final = (_Unit(3_600, "H", "hour", "小时"), _Unit(60, "M", "minute", "分钟"), _Unit(1, "S", "second", "秒"))
_WRITTEN: Final = (_DAY, *_CLOCK)
_READ: Final = (_WEEK, *_WRITTEN)


def _iso_pattern() -> re.Pattern[str]:
    date, time = ("".join(rf"(?:({_DIGITS}){unit.letter})?" for unit in units) for units in ((_WEEK, _DAY), _CLOCK))
    return re.compile(rf"P(?=.){date}(?:T(?=.){time})?")


def _words_pattern(language: Language) -> re.Pattern[str]:
    """Returns the pattern of an amount in words; it may match an empty text, and ends where no unit begins."""
    if language == "zh":
        return re.compile("".join(rf"(?:\s*({_DIGITS})\s*{unit.zh})?" for unit in _READ))
    return re.compile("".join(rf"(?:\s*\b({_DIGITS})\s+{unit.en}s?(?![a-z0-9_]))?" for unit in _READ), re.IGNORECASE)


_ISO: Final = _iso_pattern()
_WORDS: Final = {"en": _words_pattern("en"), "zh": _words_pattern("zh")}
_INEXACT_ISO: Final = re.compile(rf"P(?:({_DIGITS})Y)?(?:({_DIGITS})M)?.*", re.DOTALL)
_INEXACT_WORDS: Final = re.compile(
    rf"({_DIGITS})\s*(?:(?P<year>years?\b|年)|(?P<quarter>quarters?\b|个?季度)|months?\b|个?月)", re.IGNORECASE
)
_MONTHS: Final = {"year": 12, "quarter": 3, "month": 1}


@lru_cache(maxsize=4_096)
def parse(text: str) -> timedelta:
    """Returns the length that an ISO 8601 text of weeks, days, hours, minutes and seconds states.

    Each unit stands at most once, with a whole number, in this order: `P1W2DT3H4M5S`. Raises `InvalidDuration`, which
    says what to write, for any other text and for a length out of bounds.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        _refuse_iso(text)
    return _sum(found, text)


def canonical(length: timedelta) -> str:
    """Returns the one ISO 8601 text of a length, in days, hours, minutes and seconds: `P1DT12H`.

    `parse` reads it back. Raises `InvalidDuration` for a length out of bounds, or with a fraction of a second.
    """
    amounts = _amounts(length)
    date = "".join(f"{amount}{unit.letter}" for unit, amount in amounts if unit is _DAY)
    time = "".join(f"{amount}{unit.letter}" for unit, amount in amounts if unit is not _DAY)
    return f"P{date}{time and f'T{time}'}"


def in_words(length: timedelta, language: Language) -> str:
    """Returns a length in words, in days, hours, minutes and seconds: `1 day 12 hours`, `1天12小时`.

    `from_words` reads them back. Raises `InvalidDuration` as `canonical` does.
    """
    amounts = _amounts(length)
    if language == "zh":
        return "".join(f"{amount}{unit.zh}" for unit, amount in amounts)
    return " ".join(f"{amount} {unit.en}{'' if amount == 1 else 's'}" for unit, amount in amounts)


def from_words(text: str, language: Language) -> timedelta:
    """Returns the length that words state: those of `in_words`, and weeks (`2 weeks`, `2周`).

    Spaces between amounts and units, letters' case and the plural don't matter. Raises `InvalidDuration`, which says
    what to write, for any other text and for a length out of bounds.
    """
    found = read_words(text.strip(), language)
    if found is None or found[1] != len(text.strip()):
        _refuse_words(text, language)
    return found[0]


def read_words(text: str, language: Language, at: int = 0) -> tuple[timedelta, int] | None:
    """Returns the length in words that begins at this place of a longer text, and the place after it.

    Returns None where no amount with a unit begins. Raises `InvalidDuration` for a length out of bounds.
    """
    found = _WORDS[language].match(text, at)
    if found is None or found.end() == at:
        return None
    return _sum(found, found.group().strip()), found.end()


def check(length: timedelta, text: str = "") -> timedelta:
    """Returns the length. Raises `InvalidDuration` where it is out of bounds, or has a fraction of a second."""
    shown = _shown(text) if text else str(length)
    if length.microseconds:
        raise InvalidDuration(f"{shown}: must be whole seconds")
    if length < LEAST:
        raise InvalidDuration(f"{shown}: must be at least 1 second (PT1S)")
    if length > MOST:
        raise InvalidDuration(f"{shown}: must be at most 10 years (P{MOST.days}D)")
    return length


def _sum(found: re.Match[str], text: str) -> timedelta:
    amounts = zip(_READ, found.groups(default="0"), strict=True)
    seconds = sum(unit.seconds * int(amount) for unit, amount in amounts)
    if seconds > MOST.total_seconds():  # before timedelta overflows
        raise InvalidDuration(f"{_shown(text)}: must be at most 10 years (P{MOST.days}D)")
    return check(timedelta(seconds=seconds), text)


def _amounts(length: timedelta) -> list[tuple[_Unit, int]]:
    """Returns the units that a length has, greatest first, with the amount of each."""
    rest = int(check(length).total_seconds())
    amounts = []
    for unit in _WRITTEN:
        amount, rest = divmod(rest, unit.seconds)
        if amount:
            amounts.append((unit, amount))
    return amounts


def _refuse_iso(text: str) -> NoReturn:
    shown = _shown(text)
    inexact = _INEXACT_ISO.fullmatch(text)
    if inexact is not None and any(inexact.groups()):
        years, months = (int(amount or 0) for amount in inexact.groups())
        instead = canonical(_days_instead(years, months))
        raise InvalidDuration(f"{shown}: months and years have no exact length; write days, such as {instead}")
    if _ISO.fullmatch(text.upper().strip()):
        raise InvalidDuration(f"{shown}: write {_shown(text.upper().strip())}")
    raise InvalidDuration(
        f"{shown}: write an ISO 8601 duration of whole weeks, days, hours, minutes and seconds, "
        "such as P30D, P2W, PT6H or P1DT12H"
    )


def _refuse_words(text: str, language: Language) -> NoReturn:
    inexact = _INEXACT_WORDS.search(text)
    if inexact is not None:
        months = int(inexact[1]) * _MONTHS[inexact.lastgroup or "month"]
        instead = in_words(_days_instead(0, months), language)
        raise InvalidDuration(f"{_shown(text)}: months and years have no exact length; write days, such as {instead}")
    units = "周, 天, 小时, 分钟 or 秒: 30天" if language == "zh" else "weeks, days, hours, minutes or seconds: 30 days"
    raise InvalidDuration(f"{_shown(text)}: write a whole number of {units}")


def _days_instead(years: int, months: int) -> timedelta:
    """Returns a length in days to propose for months, or 30 days where they are out of bounds."""
    years, months = years + months // 12, months % 12
    days = years * 365 + months * 30
    return timedelta(days=days if 0 < days <= MOST.days else 30)


def _shown(text: str) -> str:
    """Returns a text as messages quote it: what a caller sent may be long."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
