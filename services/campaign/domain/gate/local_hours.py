"""Hours of the day where a customer is."""

from datetime import datetime, time, timedelta

from services.campaign.domain.journey.local_time import next_local
from shared.calendars.zones import zone

_DAY = timedelta(days=1)


def end_of(start: str, end: str, *, now: datetime, zone_name: str) -> datetime | None:
    """Returns when hours that run from `start` until `end`, over midnight too, end in a zone; None if it is not then.

    Where clocks are put back past the end it may be early: look again then.
    """
    first, last = time.fromisoformat(start), time.fromisoformat(end)
    clock = now.astimezone(zone(zone_name)).time()
    inside = first <= clock < last if first < last else clock >= first or clock < last
    if not inside:
        return None
    by_the_clock = now + (_since_midnight(last) - _since_midnight(clock)) % _DAY
    return min(by_the_clock, next_local(now, zone_name, last))


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)
