"""Days of customers' lives: when the next one is, some days before it, at a time where the customer is."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Final

from services.campaign.domain.journey.local_time import at_local
from shared.calendars.anniversaries import InvalidFactDate, parse
from shared.calendars.lunar import BeyondCalendar
from shared.calendars.zones import local_date
from shared.contracts.changes import DatedFact

DATE_REACHED: Final = "$date_reached"
"""The name of the event that a day of a customer's life is."""
_DAY: Final = timedelta(days=1)
_TRIES: Final = 3  # anniversaries: today's may be past, and so may that of the day before it


def next_moment(fact: DatedFact, zone_name: str, clock: time, *, days_before: int, after: datetime) -> datetime | None:
    """Returns the first instant (UTC) after a moment at which it is so many days before the fact's anniversary.

    Returns None for a day that never was, and where the lunar calendar's table ends. 29 February is 28 February in
    common years, and so on: `shared/calendars/anniversaries.py`.
    """
    try:
        day_of_year = parse(fact.date, fact.calendar, fact.leap_month)
        on = local_date(after, zone_name) + days_before * _DAY
        for _ in range(_TRIES):
            day = day_of_year.next_occurrence(on)
            moment = at_local(day - days_before * _DAY, clock, zone_name)
            if moment > after:
                return moment
            on = day + _DAY
    except (InvalidFactDate, BeyondCalendar, OverflowError):
        return None
    return None


def matching(facts: tuple[DatedFact, ...], kind: str, label: str | None) -> Iterator[DatedFact]:
    """Yields the facts of a kind, and of a label if one is given: of several children each has a day."""
    for fact in facts:
        if fact.kind == kind and label in (None, fact.label):
            yield fact
