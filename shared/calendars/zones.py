"""Local days: which day it is in a time zone at an instant, when a day begins there, and when the next one does.

Zones are those of the IANA database as the package tzdata has it, which is the same on every machine; the system's own
is not read. An unknown name stands for UTC. Local days are not always 24 hours, don't always begin at 00:00 and need
not come in order: Apia had no 30 December 2011, and in St John's, until 2011, clocks went from 00:01 back to 23:01 of
the day before.

Instants of the first and the last two days of Python's calendar (years 1 and 9999) have no local time everywhere; they
count as the nearest instant that has one.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

END_OF_DAYS: Final = datetime.max.replace(tzinfo=UTC)
"""The instant that is returned where no later one can be written."""

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_FIRST: Final = datetime.min.replace(tzinfo=UTC) + 2 * _DAY
_LAST: Final = datetime.max.replace(tzinfo=UTC, microsecond=0) - 2 * _DAY
_WIDEST_OFFSET: Final = timedelta(hours=16)  # that of Manila until 1844 was 15:56 behind


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Returns the names of all zones and their aliases."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Returns the zone of an IANA name such as `Asia/Shanghai`; UTC for a name that is none."""
    known = name if name in zone_names() else "UTC"
    with files("tzdata").joinpath("zoneinfo", *known.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=known)


def local_date(instant: datetime, zone_name: str) -> date:
    """Returns the day that it is in the zone at an instant."""
    return _local(instant, zone_name).date()


@lru_cache(maxsize=65_536)
def start_of_local_day(day: date, zone_name: str) -> datetime:
    """Returns the earliest instant (UTC) at which it is this day in the zone.

    Of a day that the zone skips, returns the instant at which it would have begun: the earliest of a later day.
    """
    instant = _nearest(datetime.combine(max(day, _FIRST.date()), time(), UTC) - _WIDEST_OFFSET)
    while instant < _LAST and local_date(instant, zone_name) < day:
        instant = next_local_midnight(instant, zone_name)
    return instant


def next_local_midnight(instant: datetime, zone_name: str) -> datetime:
    """Returns the earliest instant (UTC) after `instant` at which it is another day in the zone.

    Usually that is the next midnight. Where clocks are put back across midnight it can be the same day's return, and
    where they are put forward the day's first minute may be 01:00.
    """
    before = _local(instant, zone_name)
    today = before.date()
    while True:
        until_midnight = datetime.combine(before.date() + _DAY, time()) - before.replace(tzinfo=None)
        start = before.astimezone(UTC)
        midnight = start + until_midnight
        if midnight > _LAST:
            return END_OF_DAYS
        changed = _first_change(start, midnight, before.utcoffset(), zone_name)
        if changed is None:
            return midnight
        if local_date(changed, zone_name) != today:
            return changed
        before = _local(changed, zone_name)


def _first_change(start: datetime, end: datetime, offset: timedelta | None, zone_name: str) -> datetime | None:
    """Returns the first instant after `start`, `end` included, at which the zone's offset differs from this one.

    Offsets change at whole seconds. The two instants are at most a day apart, and no zone changes its offset twice
    within six days (a test reads all of them): there is one change at most.
    """

    def differs(at: datetime) -> bool:
        return _local(at, zone_name).utcoffset() != offset

    return _first(start.replace(microsecond=0), end, differs) if differs(end) else None


def _first(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """Returns the first whole second at which a condition holds that doesn't at `low`, and does from some second on."""
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _local(instant: datetime, zone_name: str) -> datetime:
    return _nearest(instant).astimezone(zone(zone_name))


def _nearest(instant: datetime) -> datetime:
    return min(max(instant, _FIRST), _LAST)
