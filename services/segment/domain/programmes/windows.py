"""Until when an order counts, and when years end: calendars in a zone, from instants to instants.

A period begins at midnight by the zone's clocks; where they skip midnight, when they go on. A year from 29 February
ends with 28 February.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from services.segment.domain.programmes.definition import CalendarPeriod, MembershipYear, Rolling, Window

START_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
# Zones can't be asked about the first and the last day of the calendar: years beyond these are cut to them.
_FIRST: Final = datetime(2, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9998, 12, 31, tzinfo=UTC)
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}


def later(moment: datetime, days: int) -> datetime:
    """Returns the moment so many days of 24 hours on; the calendar's end where that lies beyond it."""
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return END_OF_TIME


def day_in(zone: str, moment: datetime) -> date:
    """Returns the day of a moment by a zone's clocks."""
    return min(max(moment, _FIRST), _LAST).astimezone(ZoneInfo(zone)).date()


def counts_until(window: Window, zone: str, placed_at: datetime, joined: date) -> datetime:
    """Returns until when, exclusively, an order counts that was placed then, by a customer who joined on that day."""
    match window:
        case Rolling(days=days):
            return later(placed_at, days)
        case CalendarPeriod(unit=unit):
            return _period_end(unit, zone, placed_at)
        case MembershipYear():
            return next_anniversary(zone, joined, placed_at)
    return END_OF_TIME


def next_anniversary(zone: str, joined: date, after: datetime) -> datetime:
    """Returns the first instant after one at which a year of membership ends."""
    year = max(joined.year, day_in(zone, after).year - 1)
    while (found := _midnight(zone, _anniversary(joined, year))) <= after and found < END_OF_TIME:
        year += 1
    return found


def next_year(zone: str, after: datetime) -> datetime:
    """Returns the first instant after one at which a year of the calendar begins."""
    return _period_end("year", zone, after)


def _period_end(unit: Literal["month", "quarter", "year"], zone: str, moment: datetime) -> datetime:
    day, months = day_in(zone, moment), _MONTHS[unit]
    ends = (day.year * 12 + (day.month - 1) // months * months) + months
    return _midnight(zone, date(min(ends // 12, 9999), ends % 12 + 1, 1))


def _anniversary(joined: date, year: int) -> date:
    if year > 9998:
        return date(9999, 1, 1)
    try:
        return joined.replace(year=year)
    except ValueError:  # 29 February
        return date(year, 3, 1)


def _midnight(zone: str, day: date) -> datetime:
    if day.year > 9998:
        return END_OF_TIME
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
