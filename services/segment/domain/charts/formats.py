"""Numbers, shares and moments, as each language writes them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

Language = Literal["en", "zh"]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TENTH: Final = Decimal("0.1")
# The largest first. Chinese counts in ten thousands, and numbers below one are written out in both languages.
_UNITS: Final[dict[Language, Sequence[tuple[int, str]]]] = {
    "en": ((10**9, "B"), (10**6, "M"), (10**3, "k")),
    "zh": ((10**8, "亿"), (10**4, "万")),
}
_SHORT_FROM: Final = 10_000


def number(value: int) -> str:
    """Returns `1,234,567`, in both languages."""
    return f"{value:,}"


def short(value: int, language: Language) -> str:
    """Returns a number for an axis: `1.5M`, `150万`; exact, since steps of axes are round."""
    if abs(value) < _SHORT_FROM:
        return number(value)
    size, unit = next(one for one in _UNITS[language] if abs(value) >= one[0])
    return f"{(Decimal(value) / size).normalize():f}{unit}"


def percent(part: int, whole: int) -> str:
    """Returns `12.0%`; `<0.1%` for what is there but less, and `–` of nothing."""
    if whole <= 0:
        return "–"
    share = (Decimal(part) * 100 / whole).quantize(_TENTH, ROUND_HALF_EVEN)
    if part > 0 and share == 0:
        return "<0.1%"
    return f"{share}%"


def day(at: datetime, language: Language) -> str:
    """Returns `30 Nov 2026` or `2026年11月30日`."""
    if language == "zh":
        return f"{at.year}年{at.month}月{at.day}日"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def day_of_year(at: datetime, language: Language) -> str:
    """Returns `30 Nov` or `11月30日`."""
    return f"{at.month}月{at.day}日" if language == "zh" else f"{at.day} {_MONTHS[at.month - 1]}"


def month(at: datetime, language: Language) -> str:
    """Returns `Nov 2026` or `2026年11月`."""
    return f"{at.year}年{at.month}月" if language == "zh" else f"{_MONTHS[at.month - 1]} {at.year}"


def clock(at: datetime) -> str:
    """Returns `17:05`."""
    return f"{at.hour:02}:{at.minute:02}"


def moment(at: datetime, language: Language) -> str:
    """Returns `30 Nov 2026, 17:05 UTC` or `2026年11月30日 17:05 UTC`, of a moment in UTC."""
    return f"{day(at, language)}{' ' if language == 'zh' else ', '}{clock(at)} UTC"
