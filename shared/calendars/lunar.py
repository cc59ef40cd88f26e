"""Dates of the Chinese lunar calendar, and the gregorian days that they fall on, from 1900 to 2100.

A lunar year begins between 21 January and 21 February of the gregorian year of the same number. Its 12 or 13 months
have 29 or 30 days; a leap month has the number of the month before it. The table of months (lunar_years.py) is
computed by the rules of GB/T 33661-2017; docs/decisions/0057-calendars.md says how it was checked.

A date that a year doesn't have falls on another, by two rules: the 30th of a month of 29 days is its 29th, and a month
that is no leap month this year is the ordinary month of its number.
"""

from bisect import bisect_right
from datetime import date
from typing import Final, NamedTuple

from shared.calendars.lunar_years import FIRST_NEW_YEAR, FIRST_YEAR, YEARS
from shared.errors import Invalid

LONGEST_MONTH: Final = 30


class BeyondCalendar(Invalid):
    """The date is beyond the calendar."""


class LunarDate(NamedTuple):
    """A day of the Chinese calendar."""

    year: int
    month: int
    day: int
    leap: bool = False


class _Month(NamedTuple):
    year: int
    number: int
    leap: bool
    days: int


def _months() -> tuple[tuple[_Month, ...], tuple[int, ...]]:
    """Returns all months in order, and the ordinals of their first days, with that of the day after the last."""
    months, starts = [], [date(*FIRST_NEW_YEAR).toordinal()]
    for year, number in enumerate(YEARS, FIRST_YEAR):
        leap_after = number >> 13 & 15
        order = [(n, False) for n in range(1, 13)]
        if leap_after:
            order.insert(leap_after, (leap_after, True))
        for n, (month, leap) in enumerate(order):
            months.append(_Month(year, month, leap, 29 + (number >> n & 1)))
            starts.append(starts[-1] + months[-1].days)
    return tuple(months), tuple(starts)


_MONTHS, _STARTS = _months()
_PLACES: Final = {(month.year, month.number, month.leap): n for n, month in enumerate(_MONTHS)}

FIRST_DAY: Final = date(*FIRST_NEW_YEAR)
LAST_DAY: Final = date.fromordinal(_STARTS[_PLACES[FIRST_YEAR + len(YEARS) - 1, 1, False]] - 1)
"""The last day that has a lunar date here; the table's last year is there for the anniversaries after it."""


def to_lunar(day: date) -> LunarDate:
    """Returns the lunar date of a gregorian day.

    Raises `BeyondCalendar` before 31 January 1900 and after 28 January 2101, the ends of the lunar years 1900 and 2100.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise BeyondCalendar(f"{day}: lunar dates are known from {FIRST_DAY} to {LAST_DAY}")
    at = bisect_right(_STARTS, day.toordinal()) - 1
    month = _MONTHS[at]
    return LunarDate(month.year, month.number, day.toordinal() - _STARTS[at] + 1, month.leap)


def to_gregorian(year: int, month: int, day: int, *, leap: bool = False) -> date:
    """Returns the gregorian day that a date of a lunar year falls on.

    A date that the year doesn't have falls on another, by the rules above. Raises `BeyondCalendar` for a year before
    1900 or after 2101. The month is from 1 to 12, and the day from 1 to 30.
    """
    if not is_known(year):
        raise BeyondCalendar(f"{year}: lunar years are known from {FIRST_YEAR} to {FIRST_YEAR + len(YEARS) - 1}")
    at = _PLACES.get((year, month, leap), _PLACES[year, month, False])
    return date.fromordinal(_STARTS[at] + min(day, _MONTHS[at].days) - 1)


def is_known(year: int) -> bool:
    """Returns whether the table has a lunar year."""
    return 0 <= year - FIRST_YEAR < len(YEARS)


def days_in_month(year: int, month: int, *, leap: bool = False) -> int:
    """Returns how many days a month of a known lunar year has: 29 or 30, or 0 for a leap month that the year lacks."""
    at = _PLACES.get((year, month, leap))
    return 0 if at is None else _MONTHS[at].days


def leap_month(year: int) -> int | None:
    """Returns the number of the month that a known lunar year has twice."""
    return YEARS[year - FIRST_YEAR] >> 13 & 15 or None


def qingming(year: int) -> date:
    """Returns the day of the solar term Qingming (清明) in a gregorian year from 1900 to 2101.

    Raises `BeyondCalendar` for another year.
    """
    if not is_known(year):
        raise BeyondCalendar(f"{year}: Qingming is known from {FIRST_YEAR} to {FIRST_YEAR + len(YEARS) - 1}")
    return date(year, 4, YEARS[year - FIRST_YEAR] >> 17)
