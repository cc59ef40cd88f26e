"""Local days begin where a scan of the clock finds that they do, in every zone and through every change of clocks."""

import struct
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.calendars.zones import (
    END_OF_DAYS,
    local_date,
    next_local_midnight,
    start_of_local_day,
    zone,
    zone_names,
)
from tests.support.examples import at_least

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
BEFORE_ALL_DAYS_OF_A_SCAN = timedelta(hours=17)  # no offset is wider than 16 hours


def transitions(name: str) -> list[tuple[int, int, int]]:
    """Returns each change of offset that a zone's file lists (RFC 9636): when, from what and to what, in seconds."""
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()

    def counts(at: int) -> tuple[int, ...]:
        return struct.unpack(">6l", data[at + 20 : at + 44])

    utc, standard, leaps, times, types, letters = counts(0)
    at = 44 + times * 5 + types * 6 + letters + leaps * 8 + standard + utc
    times, types = counts(at)[3:5]
    instants = struct.unpack(f">{times}q", data[at + 44 : at + 44 + 8 * times])
    kinds = data[at + 44 + 8 * times : at + 44 + 9 * times]
    rules = at + 44 + 9 * times
    offsets = [struct.unpack(">l", data[rules + 6 * n : rules + 6 * n + 4])[0] for n in range(types)]
    before = [offsets[0], *(offsets[kind] for kind in kinds)]
    found = zip(instants, before, before[1:], strict=False)
    return [(instant, old, new) for instant, old, new in found if old != new]


CHANGES = {name: transitions(name) for name in sorted(zone_names())}
AROUND_MIDNIGHT = [  # changes of clocks within two hours of a local midnight, or by most of a day
    (name, datetime.fromtimestamp(instant, UTC))
    for name, changes in CHANGES.items()
    for instant, old, new in changes
    if (instant + old + 7_200) % 86_400 <= 14_400 or (instant + new + 7_200) % 86_400 <= 14_400
]
zones = st.sampled_from(sorted(zone_names()))
instants = st.integers(-130 * 31_557_600, 180 * 31_557_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
near_a_change = st.builds(
    lambda change, seconds, micros: (change[0], change[1] + timedelta(seconds=seconds, microseconds=micros)),
    st.sampled_from(AROUND_MIDNIGHT),
    st.integers(-90_000, 90_000) | st.integers(-7_200, 7_200),
    st.sampled_from([0, 1, 999_999]),
)


def scanned(instant: datetime, name: str) -> datetime:
    """Returns the first whole minute or second after `instant` of another local day, found by looking at each minute.

    Days shorter than a minute are not found; no zone has one.
    """
    today = local_date(instant, name)
    at = instant.replace(second=0, microsecond=0)
    while at <= instant or local_date(at, name) == today:
        at += MINUTE
    first = next(
        at - n * SECOND
        for n in range(61)
        if at - (n + 1) * SECOND <= instant or local_date(at - (n + 1) * SECOND, name) == today
    )
    return first.replace(microsecond=0)


@given(st.tuples(zones, instants) | near_a_change)
@settings(max_examples=at_least(150), deadline=None)
@example(("America/St_Johns", datetime(2006, 10, 29, 2, 29, 59, tzinfo=UTC)))
@example(("Pacific/Apia", datetime(2011, 12, 30, 9, 59, 59, 999_999, tzinfo=UTC)))
@example(("America/Juneau", datetime(1867, 10, 18, 0, 0, tzinfo=UTC)))
def test_the_next_local_day_is_the_one_that_a_scan_finds(case: tuple[str, datetime]) -> None:
    name, instant = case
    assert next_local_midnight(instant, name) == scanned(instant, name)


@given(st.tuples(zones, instants) | near_a_change)
@settings(max_examples=at_least(100), deadline=None)
def test_a_local_day_starts_where_a_scan_first_finds_it_or_a_later_one(case: tuple[str, datetime]) -> None:
    name, instant = case
    day = local_date(instant, name)
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - BEFORE_ALL_DAYS_OF_A_SCAN
    while local_date(at, name) < day:
        at = scanned(at, name)
    assert start_of_local_day(day, name) == at


@given(zones, st.dates(date(1800, 1, 1), date(2200, 1, 1)))
@settings(max_examples=at_least(200))
def test_a_day_is_found_at_its_start_and_not_before(name: str, day: date) -> None:
    start = start_of_local_day(day, name)
    assert local_date(start, name) >= day
    assert local_date(start - SECOND, name) < day
    assert start <= start_of_local_day(day + DAY, name)


@given(zones, st.datetimes(timezones=st.just(UTC)), st.dates())
@settings(max_examples=at_least(150))
@example("Pacific/Apia", datetime.min.replace(tzinfo=UTC), date.min)
@example("Asia/Manila", END_OF_DAYS, date.max)
def test_the_ends_of_the_calendar_are_no_errors(name: str, instant: datetime, day: date) -> None:
    assert date.min <= local_date(instant, name) <= date.max
    following = next_local_midnight(instant, name)
    assert following > instant or following == END_OF_DAYS
    assert start_of_local_day(day, name).tzinfo is UTC


def test_no_zone_changes_its_offset_twice_within_six_days() -> None:
    gaps = [b[0] - a[0] for changes in CHANGES.values() for a, b in pairwise(changes)]
    assert min(gaps) >= 6 * 86_400


def test_no_zone_has_gone_back_to_a_day_before_since_2020() -> None:
    # holidays.py takes days for ordered.
    recent = [change for changes in CHANGES.values() for change in changes if change[0] >= 50 * 31_557_600]
    assert len(recent) > 500
    assert all((at - 1 + old) // 86_400 <= (at + new) // 86_400 for at, old, new in recent)


def test_in_a_year_of_the_rules_in_force_days_come_in_order_in_every_zone() -> None:
    # Of the years to come a zone's file has rules, not instants.
    for name in sorted(zone_names()):
        at = start_of_local_day(date(2040, 1, 1), name)
        days = []
        while at.year <= 2040:
            days.append(local_date(at, name))
            at = next_local_midnight(at, name)
        assert days == [date(2040, 1, 1) + n * DAY for n in range(len(days))]
        assert len(days) in {366, 367}


def test_no_offset_is_wider_than_the_scan_allows() -> None:
    assert max(abs(offset) for changes in CHANGES.values() for _, *both in changes for offset in both) < 16 * 3_600


@pytest.mark.parametrize(
    ("name", "day", "start"),
    [
        ("UTC", date(2026, 11, 30), datetime(2026, 11, 30, tzinfo=UTC)),
        ("Asia/Shanghai", date(2026, 11, 30), datetime(2026, 11, 29, 16, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC)),  # 23 hours long
        ("America/New_York", date(2026, 3, 9), datetime(2026, 3, 9, 4, tzinfo=UTC)),
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, tzinfo=UTC)),  # begins at 01:00
        ("Africa/Cairo", date(2026, 4, 24), datetime(2026, 4, 23, 22, tzinfo=UTC)),  # begins at 01:00
        ("Pacific/Apia", date(2011, 12, 29), datetime(2011, 12, 29, 10, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),  # there was none
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Pacific/Kwajalein", date(1993, 8, 21), datetime(1993, 8, 21, 12, tzinfo=UTC)),  # there was none
        ("Pacific/Kwajalein", date(1993, 8, 22), datetime(1993, 8, 21, 12, tzinfo=UTC)),
        ("America/St_Johns", date(2006, 10, 29), datetime(2006, 10, 29, 2, 30, tzinfo=UTC)),  # and again at 03:30
        ("Asia/Kolkata", date(2026, 1, 1), datetime(2025, 12, 31, 18, 30, tzinfo=UTC)),
        ("Pacific/Kiritimati", date(2026, 1, 1), datetime(2025, 12, 31, 10, tzinfo=UTC)),
    ],
)
def test_the_start_of_a_day(name: str, day: date, start: datetime) -> None:
    assert start_of_local_day(day, name) == start


def test_a_day_that_clocks_return_to_is_left_twice() -> None:
    # In St John's it was 00:01 on the 29th when clocks went back to 23:01 on the 28th.
    first = datetime(2006, 10, 29, 2, 30, tzinfo=UTC)
    changes = [first]
    for _ in range(2):
        changes.append(next_local_midnight(changes[-1], "America/St_Johns"))
    assert changes == [first, first + MINUTE, first + 60 * MINUTE]
    assert [local_date(at, "America/St_Johns").day for at in changes] == [29, 28, 29]


@pytest.mark.parametrize(
    "name",
    [
        *("", "nowhere", "asia/shanghai", "Asia", "Asia/", "/etc/passwd", "../tzdata/zones", "localtime", "+08:00"),
        *("posixrules", "right/UTC", "a\0b", "\ud800", "x" * 5_000, "CET ", "UTC\n"),
    ],
)
def test_a_name_that_is_no_zone_stands_for_utc(name: str) -> None:
    assert zone(name).key == "UTC"
    assert start_of_local_day(date(2026, 11, 30), name) == datetime(2026, 11, 30, tzinfo=UTC)


def test_every_name_of_the_database_is_a_zone() -> None:
    assert len(zone_names()) > 500
    assert all(zone(name).key == name for name in zone_names())
