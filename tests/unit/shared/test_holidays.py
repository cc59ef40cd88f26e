"""Holidays are those that were published; what is not published yet says so; a day changes when a scan finds it."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendars.holidays import (
    CALENDARS,
    FIRST_YEAR,
    LAST_YEAR,
    UnknownCalendar,
    day_kind,
    is_provisional,
    is_working_day,
    next_change,
)
from shared.calendars.lunar import to_lunar
from shared.calendars.national.cn_notices import NOTICES
from shared.calendars.national.days import CalendarDay, easter
from shared.calendars.zones import local_date, next_local_midnight
from tests.support.examples import at_least

DAY = timedelta(days=1)
names = st.sampled_from(sorted(CALENDARS))
zones = st.sampled_from(
    ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/Nuuk", "Africa/Cairo", "Pacific/Apia", "?"]
)


def days_of(calendar: str, year: int, kind: str = "holiday") -> dict[str, str]:
    """Returns the days of a kind in a year, `MM-DD`, and their English names."""
    days = (date(year, 1, 1) + n * DAY for n in range(365 + (year % 4 == 0)))
    found = ((day, day_kind(calendar, day)) for day in days)
    return {day.isoformat()[5:]: one.name_en for day, one in found if one.kind == kind}


def span(year: int, first: str, last: str) -> set[str]:
    """Returns the days from one to another of a year, `MM-DD`."""
    start, end = (date.fromisoformat(f"{year}-{day}") for day in (first, last))
    return {(start + n * DAY).isoformat()[5:] for n in range((end - start).days + 1)}


def test_china_in_2025_is_as_the_notice_has_it() -> None:
    free = span(2025, "01-28", "02-04") | span(2025, "04-04", "04-06") | span(2025, "05-01", "05-05")
    free |= span(2025, "05-31", "06-02") | span(2025, "10-01", "10-08") | {"01-01"}
    assert set(days_of("cn", 2025)) == free
    assert set(days_of("cn", 2025, "workday")) == {"01-26", "02-08", "04-27", "09-28", "10-11"}


def test_china_in_2026_is_as_the_notice_has_it() -> None:
    free = span(2026, "01-01", "01-03") | span(2026, "02-15", "02-23") | span(2026, "04-04", "04-06")
    free |= span(2026, "05-01", "05-05") | span(2026, "06-19", "06-21") | span(2026, "09-25", "09-27")
    free |= span(2026, "10-01", "10-07")
    assert set(days_of("cn", 2026)) == free
    assert set(days_of("cn", 2026, "workday")) == {"01-04", "02-14", "02-28", "05-09", "09-20", "10-10"}
    assert day_kind("cn", date(2026, 9, 20)) == CalendarDay(kind="workday", name_en="National Day", name_zh="国庆节")


@pytest.mark.parametrize("year", NOTICES)
def test_a_notice_is_plausible(year: int) -> None:
    notice = NOTICES[year]
    assert notice.published.year == year - 1
    assert notice.number.startswith(f"国办发明电〔{year - 1}〕")
    for period in notice.periods:
        assert period.first <= period.last < period.first + 10 * DAY
        assert {period.first.year, period.last.year} == {year}
        assert all(day.weekday() >= 5 for day in period.worked)
    free = set(days_of("cn", year))
    assert not free & set(days_of("cn", year, "workday"))
    # What the statute gives is free, whatever the notice arranges.
    eve = next(day for day in (date(year, 1, 20) + n * DAY for n in range(40)) if to_lunar(day + DAY)[1:3] == (1, 1))
    statutory = {"01-01", "05-01", "05-02", "10-01", "10-02", "10-03"}
    assert statutory | {(eve + n * DAY).isoformat()[5:] for n in range(4)} <= free


def test_china_in_2027_is_provisional_and_has_the_statutory_days_only() -> None:
    found = days_of("cn", 2027)
    assert list(found) == [
        *("01-01", "02-05", "02-06", "02-07", "02-08", "04-05", "05-01", "05-02", "06-09", "09-15"),
        *("10-01", "10-02", "10-03"),
    ]
    assert found["02-05"] == "Spring Festival"
    assert found["06-09"] == "Dragon Boat Festival"
    assert found["09-15"] == "Mid-Autumn Festival"
    assert days_of("cn", 2027, "workday") == {}
    assert is_provisional("cn", 2027)
    assert day_kind("cn", date(2027, 3, 3)) == CalendarDay(provisional=True)
    assert day_kind("cn", date(2027, 1, 1)).provisional


def test_china_before_2025_had_eleven_statutory_days() -> None:
    assert len(days_of("cn", 2024)) == 11


def test_a_mid_autumn_in_national_day_has_both_names() -> None:
    assert days_of("cn", 2031)["10-01"] == "National Day and Mid-Autumn Festival"


def test_only_what_is_not_published_is_provisional() -> None:
    assert [year for year in range(2025, 2029) if is_provisional("cn", year)] == [2027, 2028]
    assert not any(is_provisional(name, year) for name in ("us", "de", "gb") for year in range(2020, 2101))
    assert is_provisional("us", FIRST_YEAR - 1)
    assert is_provisional("us", LAST_YEAR + 1)


def test_the_united_states_in_2026() -> None:
    assert days_of("us", 2026) == {
        "01-01": "New Year's Day",
        "01-19": "Birthday of Martin Luther King, Jr.",
        "02-16": "Washington's Birthday",
        "05-25": "Memorial Day",
        "06-19": "Juneteenth National Independence Day",
        "07-03": "Independence Day (observed)",
        "07-04": "Independence Day",
        "09-07": "Labor Day",
        "10-12": "Columbus Day",
        "11-11": "Veterans Day",
        "11-26": "Thanksgiving Day",
        "12-25": "Christmas Day",
    }


def test_a_new_year_on_a_saturday_is_observed_in_the_year_before() -> None:
    assert days_of("us", 2021)["12-31"] == "New Year's Day (observed)"
    assert "06-19" not in days_of("us", 2020)


def test_germany_in_2026() -> None:
    assert list(days_of("de", 2026)) == [
        *("01-01", "04-03", "04-06", "05-01", "05-14", "05-25", "10-03", "12-25", "12-26")
    ]


@pytest.mark.parametrize(
    ("year", "days"),
    [
        (2020, "01-01 04-10 04-13 05-08 05-25 08-31 12-25 12-26 12-28"),
        (2021, "01-01 04-02 04-05 05-03 05-31 08-30 12-25 12-26 12-27 12-28"),
        (2022, "01-01 01-03 04-15 04-18 05-02 06-02 06-03 08-29 09-19 12-25 12-26 12-27"),
        (2023, "01-01 01-02 04-07 04-10 05-01 05-08 05-29 08-28 12-25 12-26"),
        (2026, "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-26 12-28"),
        (2027, "01-01 03-26 03-29 05-03 05-31 08-30 12-25 12-26 12-27 12-28"),
    ],
)
def test_england_and_wales(year: int, days: str) -> None:
    assert list(days_of("gb", year)) == days.split()


def test_substitutes_say_what_for() -> None:
    found = days_of("gb", 2027)
    assert (found["12-27"], found["12-28"]) == ("Christmas Day (observed)", "Boxing Day (observed)")
    assert day_kind("gb", date(2027, 12, 28)).name_zh == "节礼日（补假）"


@pytest.mark.parametrize(
    "day",
    ["1961-04-02", "2000-04-23", "2008-03-23", "2019-04-21", "2024-03-31", "2026-04-05", "2038-04-25", "2285-03-22"],
)
def test_easter(day: str) -> None:
    assert easter(int(day[:4])) == date.fromisoformat(day)


@given(st.integers(1583, 9999))
@settings(max_examples=at_least(150))
def test_easter_is_a_sunday_from_22_march_to_25_april(year: int) -> None:
    assert easter(year).weekday() == 6
    assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)


def test_a_working_day() -> None:
    working = {day: is_working_day("cn", date.fromisoformat(day)) for day in ("2026-02-14", "2026-02-16", "2026-02-21")}
    assert working == {"2026-02-14": True, "2026-02-16": False, "2026-02-21": False}
    assert [is_working_day("us", date(2026, 11, 23) + n * DAY) for n in range(7)] == [True] * 3 + [False, True] + [
        False
    ] * 2


@given(names, zones, st.integers(0, 81 * 366 * 86_400))
@settings(max_examples=at_least(150), deadline=None)
def test_the_next_change_is_the_one_that_a_scan_of_days_finds(calendar: str, zone: str, seconds: int) -> None:
    instant = datetime(2019, 12, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    def kind_and_name(at: datetime) -> tuple[str, str]:
        found = day_kind(calendar, local_date(at, zone))
        return found.kind, found.name_en

    at = next_local_midnight(instant, zone)
    while kind_and_name(at) == kind_and_name(instant) and at.year <= LAST_YEAR:
        at = next_local_midnight(at, zone)
    assert next_change(calendar, instant, zone) == (at if at.year <= LAST_YEAR else None)


@given(names, st.dates())
@settings(max_examples=at_least(150))
def test_every_day_is_something_in_both_languages(calendar: str, day: date) -> None:
    found = day_kind(calendar, day)
    assert bool(found.name_en) == bool(found.name_zh) == (found.kind != "ordinary")
    assert FIRST_YEAR <= day.year <= LAST_YEAR or found == CalendarDay(provisional=True)


def test_the_ends_of_the_calendar_are_no_errors() -> None:
    first = datetime(2019, 12, 31, 16, tzinfo=UTC)
    early = (datetime.min.replace(tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC))
    late = (datetime(2101, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert [next_change("cn", at, "Asia/Shanghai") for at in early] == [first, first]
    assert [next_change("cn", at, "Asia/Shanghai") for at in late] == [None, None]


@pytest.mark.parametrize("calendar", ["", "fr", "CN", "x" * 9_999])
def test_an_unknown_calendar_is_refused_with_those_that_there_are(calendar: str) -> None:
    with pytest.raises(UnknownCalendar, match="there are cn, de, gb, us"):
        day_kind(calendar, date(2026, 11, 30))


def test_each_calendar_is_registered_under_its_name() -> None:
    assert all(one.name == name and one.title_en and one.title_zh for name, one in CALENDARS.items())
    for name in CALENDARS:
        days = [day for year in (2026, 2027) for day in days_of(name, year)]
        assert all(a != b for a, b in pairwise(days))
