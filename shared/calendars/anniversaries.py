"""Anniversaries of dates such as birthdays, in the gregorian and the Chinese lunar calendar.

A date comes back every year of its calendar, those before its own year included. A day that a month doesn't have in a
year is that month's last day: 29 February is 28 February in common years, and the 30th of a lunar month is its 29th in
years in which that month is short. A date in a leap month is in the leap month of its number in years that have it,
and in the ordinary month of that number in all others.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal

import msgspec

from shared.calendars.lunar import (
    LONGEST_MONTH,
    BeyondCalendar,
    LunarDate,
    days_in_month,
    is_known,
    leap_month,
    to_gregorian,
    to_lunar,
)
from shared.errors import Invalid

CalendarName = Literal["gregorian", "lunar"]

LONGEST_WINDOW: Final = timedelta(days=366)
"""Every anniversary is in any window of this length."""

_DAY: Final = timedelta(days=1)
_TEXT: Final = re.compile(r"([0-9]{4}|-)-([0-9]{2})-([0-9]{2})")
_LEAP_YEAR: Final = 2000  # for days without a year: 29 February is one


class InvalidFactDate(Invalid):
    """The date is not valid."""


class InvalidDayWindow(Invalid):
    """The window of days is not valid."""


class FactDate(msgspec.Struct, frozen=True):
    """A day that matters to a customer, in its own calendar, with or without its year."""

    year: int | None
    month: int
    day: int
    calendar: CalendarName = "gregorian"
    leap_month: bool = False

    @property
    def key(self) -> str:
        """The text that dates of one anniversary share: `g-05-17`, `l-08-15`, or `l-08-15-leap` in a leap month."""
        return _key(self.calendar, self.month, self.day, leap=self.leap_month)

    def occurrence_in(self, year: int) -> date:
        """Returns the gregorian day of the anniversary in a year of the date's own calendar.

        The last months of a lunar year are in the next gregorian year. Raises `BeyondCalendar` for a gregorian year
        that isn't from 1 to 9999, and a lunar one that isn't from 1900 to 2101.
        """
        if self.calendar == "lunar":
            return to_gregorian(year, self.month, self.day, leap=self.leap_month)
        if not date.min.year <= year <= date.max.year:
            raise BeyondCalendar(f"{year}: years are from {date.min.year} to {date.max.year}")
        return date(year, self.month, min(self.day, monthrange(year, self.month)[1]))

    def next_occurrence(self, on: date) -> date:
        """Returns the first anniversary on a day or after it. Raises `BeyondCalendar` as `occurrence_in` does."""
        year = self._year_of(on)
        this_year = self.occurrence_in(year)
        return this_year if this_year >= on else self.occurrence_in(year + 1)

    def days_until(self, on: date) -> int:
        """Returns the days from a day to the first anniversary on it or after it: 0 on the anniversary itself."""
        return (self.next_occurrence(on) - on).days

    def age_on(self, on: date) -> int | None:
        """Returns the years completed on a day, counted by anniversaries in the date's own calendar.

        Returns None for a date without a year, and before the date itself. Raises `BeyondCalendar` as `occurrence_in`
        does.
        """
        if self.year is None:
            return None
        year = self._year_of(on)
        age = year - self.year - (self.occurrence_in(year) > on)
        return age if age >= 0 else None

    def _year_of(self, day: date) -> int:
        return to_lunar(day).year if self.calendar == "lunar" else day.year


def parse(text: str, calendar: CalendarName = "gregorian", leap: bool = False) -> FactDate:
    """Returns the date of a text: `YYYY-MM-DD`, or `--MM-DD` without a year.

    Year, month and day are those of the date's own calendar. Raises `InvalidFactDate`, which says what is wrong, for
    another form and for a day that never was. A lunar date of a year before 1900 or after 2101 is not looked up.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        shown = repr(text[:20])
        raise InvalidFactDate(f"{shown}: write YYYY-MM-DD, or --MM-DD without a year")
    year = None if found[1] == "-" else int(found[1])
    fact = FactDate(year, int(found[2]), int(found[3]), calendar, leap)
    problem = _problem(fact)
    if problem:
        raise InvalidFactDate(f"{text}: {problem}")
    return fact


@lru_cache(maxsize=256)
def matching_keys(window_start: date, window_end: date) -> frozenset[str]:
    """Returns the keys of all dates that have an anniversary in a window of days, both ends included.

    A date's key is among them if and only if one of its anniversaries is in the window. Raises `InvalidDayWindow` where
    the end is before the start or more than 366 days after it, and `BeyondCalendar` outside the lunar calendar's table.
    """
    if not timedelta(0) <= window_end - window_start <= LONGEST_WINDOW:
        raise InvalidDayWindow(f"{window_start} to {window_end}: must be 0 to {LONGEST_WINDOW.days} days long")
    days = (window_start + n * _DAY for n in range((window_end - window_start).days + 1))
    return frozenset(key for day in days for key in _keys_of(day))


def _keys_of(day: date) -> Iterator[str]:
    """Yields the keys of the dates whose anniversary is on a day."""
    last = monthrange(day.year, day.month)[1]
    longest = monthrange(_LEAP_YEAR, day.month)[1]
    for number in (day.day, *range(last + 1, longest + 1 if day.day == last else 0)):
        yield _key("gregorian", day.month, number)
    lunar = to_lunar(day)
    for number in _numbers_on(lunar):
        yield _key("lunar", lunar.month, number, leap=lunar.leap)
        if not lunar.leap and leap_month(lunar.year) != lunar.month:
            yield _key("lunar", lunar.month, number, leap=True)


def _numbers_on(lunar: LunarDate) -> tuple[int, ...]:
    length = days_in_month(lunar.year, lunar.month, leap=lunar.leap)
    return (lunar.day, LONGEST_MONTH) if lunar.day == length < LONGEST_MONTH else (lunar.day,)


def _key(calendar: CalendarName, month: int, day: int, *, leap: bool = False) -> str:
    return f"{calendar[0]}-{month:02}-{day:02}{'-leap' if leap else ''}"


def _problem(fact: FactDate) -> str:
    """Returns what is wrong with a date, or nothing."""
    if fact.year == 0:
        return "years begin at 1"
    if not 1 <= fact.month <= 12:
        return "months are from 01 to 12"
    if fact.calendar == "gregorian":
        longest = monthrange(fact.year or _LEAP_YEAR, fact.month)[1]
        if fact.leap_month:
            return "only lunar dates have leap months"
    else:
        longest = LONGEST_MONTH
        if fact.year is not None and is_known(fact.year):
            longest = days_in_month(fact.year, fact.month, leap=fact.leap_month)
    if longest == 0:
        return f"lunar year {fact.year} has no leap month {fact.month}"
    return "" if 1 <= fact.day <= longest else f"days of that month are from 01 to {longest}"
