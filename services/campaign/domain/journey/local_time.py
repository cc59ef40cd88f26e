"""Times of day where a customer is."""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.campaign.domain.journey.problems import Problem
from shared.calendars.zones import local_date, zone

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DAY: Final = timedelta(days=1)


def at_local(day: date, clock: time, zone_name: str) -> datetime:
    """Returns the instant (UTC) of a time on a day in a zone.

    A time that clocks skip that day is as long after midnight as it would have been; of one that comes twice the first.
    """
    return datetime.combine(day, clock, zone(zone_name)).astimezone(UTC)


def next_local(now: datetime, zone_name: str, clock: time, weekdays: Collection[int] = ()) -> datetime:
    """Returns the first instant from `now` on at which it is this time in the zone, on one of these weekdays if any.

    Weekdays are those of ISO 8601: 1 is Monday.
    """
    today = local_date(now, zone_name)
    days = (today + n * _DAY for n in range(-1, 9))  # one day before: a zone may have skipped or repeated one
    moments = (at_local(day, clock, zone_name) for day in days if not weekdays or day.isoweekday() in weekdays)
    return next(moment for moment in moments if moment >= now)


def problems_of_time(text: str, at: str) -> Iterator[Problem]:
    """Yields what is wrong with the text of a time of day."""
    if not _TIME.fullmatch(text):
        yield Problem(at, f"{text[:20]!r}: must be a time of day from 00:00 to 23:59, such as 09:00")
