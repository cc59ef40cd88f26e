"""What a day is in a calendar of holidays, and the rules that countries share."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final, Literal

import msgspec

Kind = Literal["holiday", "workday", "ordinary"]

MONDAY: Final = 0
THURSDAY: Final = 3
SATURDAY: Final = 5
SUNDAY: Final = 6
DAY: Final = timedelta(days=1)


class Occasion(msgspec.Struct, frozen=True):
    """A holiday's names."""

    en: str
    zh: str

    def observed(self) -> "Occasion":
        """Returns the names of the day that is free in a holiday's stead."""
        return Occasion(f"{self.en} (observed)", f"{self.zh}（补假）")


class CalendarDay(msgspec.Struct, frozen=True, kw_only=True):
    """What a day is: a public holiday, a weekend day that is worked in a holiday's stead, or neither.

    `provisional` marks a year whose holidays are not all published: its other days may yet become one of the two.
    """

    kind: Kind = "ordinary"
    name_en: str = ""
    name_zh: str = ""
    provisional: bool = False


class NationalCalendar(msgspec.Struct, frozen=True, kw_only=True):
    """A country's calendar: the days of a year that are not ordinary, and whether that year is provisional."""

    name: str
    title_en: str
    title_zh: str
    days_of: Callable[[int], Mapping[date, CalendarDay]]
    is_provisional: Callable[[int], bool] = lambda _: False


def holiday(names: Occasion, *, provisional: bool = False) -> CalendarDay:
    """Returns a public holiday of these names."""
    return CalendarDay(kind="holiday", name_en=names.en, name_zh=names.zh, provisional=provisional)


def nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    """Returns the n-th Monday (0) to Sunday (6) of a month."""
    first = date(year, month, 1)
    return first + ((weekday - first.weekday()) % 7 + 7 * (n - 1)) * DAY


def last_weekday(year: int, month: int, weekday: int) -> date:
    """Returns the last Monday (0) to Sunday (6) of a month other than December."""
    last = date(year, month + 1, 1) - DAY
    return last - (last.weekday() - weekday) % 7 * DAY


def easter(year: int) -> date:
    """Returns Easter Sunday, by the rule of the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8)."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - correction + 15) % 30
    to_sunday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)
