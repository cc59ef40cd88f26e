"""Public holidays by named calendar, from 2020 to 2100, and when a calendar's day changes next.

Rules stand in national/, a file a country; China's working weekends are facts of published notices, and its years
without a notice are provisional. `VERSION` is raised with every change of what a calendar says.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from shared.calendars.national.cn import CN
from shared.calendars.national.days import SATURDAY, CalendarDay, NationalCalendar
from shared.calendars.national.de import DE
from shared.calendars.national.gb import GB
from shared.calendars.national.us import US
from shared.calendars.zones import local_date, start_of_local_day
from shared.errors import Invalid

VERSION: Final = "2026-11-30"
FIRST_YEAR: Final = 2020
LAST_YEAR: Final = 2100

CALENDARS: Final[Mapping[str, NationalCalendar]] = {one.name: one for one in (CN, DE, GB, US)}

_DAY: Final = timedelta(days=1)


class UnknownCalendar(Invalid):
    """There is no calendar of this name."""


def day_kind(calendar: str, day: date) -> CalendarDay:
    """Returns what a day is in a calendar. Raises `UnknownCalendar`, which names those that there are.

    Days before 2020 and after 2100 are ordinary, and provisional.
    """
    national = _national(calendar)
    return _days_of(national.name, day.year).get(day) or CalendarDay(provisional=is_provisional(calendar, day.year))


def is_working_day(calendar: str, day: date) -> bool:
    """Returns whether a day is worked: Monday to Friday without the holidays, and the weekend days in their stead.

    Raises `UnknownCalendar`.
    """
    kind = day_kind(calendar, day).kind
    return kind == "workday" or (kind == "ordinary" and day.weekday() < SATURDAY)


def is_provisional(calendar: str, year: int) -> bool:
    """Returns whether a calendar's year is not, or not yet, known for certain. Raises `UnknownCalendar`."""
    return not FIRST_YEAR <= year <= LAST_YEAR or _national(calendar).is_provisional(year)


def next_change(calendar: str, instant: datetime, zone: str) -> datetime | None:
    """Returns the earliest instant after `instant` at which the day in the zone is another kind, or another holiday.

    Returns None where there is no such instant until the end of 2100. Raises `UnknownCalendar`. Since 2020 no zone's
    clocks went back to a day before (a test reads all of them), so days come in order.
    """
    today = local_date(instant, zone)
    now = _identity(day_kind(calendar, today))
    day = max(today + _DAY, date(FIRST_YEAR, 1, 1)) if today < date.max else today
    while day.year <= LAST_YEAR:
        if _identity(day_kind(calendar, day)) != now:
            start = start_of_local_day(day, zone)
            # A day that the zone skips is none: it begins and ends with the next.
            if local_date(start, zone) == day:
                return start
        day += _DAY
    return None


def _identity(day: CalendarDay) -> tuple[str, str]:
    return day.kind, day.name_en


def _national(calendar: str) -> NationalCalendar:
    try:
        return CALENDARS[calendar]
    except KeyError:
        known = ", ".join(CALENDARS)
        raise UnknownCalendar(f"{calendar[:40]!r}: there is no such calendar; there are {known}") from None


@lru_cache(maxsize=512)
def _days_of(name: str, year: int) -> Mapping[date, CalendarDay]:
    return CALENDARS[name].days_of(year) if FIRST_YEAR <= year <= LAST_YEAR else {}
