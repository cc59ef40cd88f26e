"""Lunar dates are those of sun and moon, of the new years that everybody knows, and are read back as they were."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.calendars.lunar import (
    FIRST_DAY,
    LAST_DAY,
    BeyondCalendar,
    LunarDate,
    days_in_month,
    leap_month,
    qingming,
    to_gregorian,
    to_lunar,
)
from shared.calendars.lunar_years import YEARS
from tests.support.examples import at_least
from tests.support.lunar_months import months, table

DAY = timedelta(days=1)


def test_the_table_is_what_sun_and_moon_say() -> None:
    assert list(YEARS) == table()


def test_every_month_begins_at_its_new_moon() -> None:
    for month in months():
        first = date.fromordinal(month.first)
        assert to_gregorian(month.year, month.number, 1, leap=month.leap) == first
        if first <= LAST_DAY:
            assert to_lunar(first) == LunarDate(month.year, month.number, 1, month.leap)


def test_every_day_is_the_day_of_its_lunar_date_and_the_next_has_the_next_number_or_begins_a_month() -> None:
    today = None
    for ordinal in range(FIRST_DAY.toordinal(), LAST_DAY.toordinal() + 1):
        day = date.fromordinal(ordinal)
        found = to_lunar(day)
        assert to_gregorian(found.year, found.month, found.day, leap=found.leap) == day
        if today is not None and found.day == 1:
            assert today.day == days_in_month(today.year, today.month, leap=today.leap)
        elif today is not None:
            assert found == today._replace(day=today.day + 1)
        today = found


@given(st.integers(1900, 2101), st.integers(1, 12), st.integers(1, 30), st.booleans())
@settings(max_examples=at_least(200))
@example(2023, 2, 30, True)
def test_a_date_that_the_year_lacks_falls_on_the_months_last_day_and_in_the_ordinary_month(
    year: int, month: int, day: int, leap: bool
) -> None:
    really_leap = leap and leap_month(year) == month
    first = to_gregorian(year, month, 1, leap=really_leap)
    length = days_in_month(year, month, leap=really_leap)
    assert length in {29, 30}
    assert to_gregorian(year, month, day, leap=leap) == first + (min(day, length) - 1) * DAY


@pytest.mark.parametrize(
    "new_year",
    [
        *("1900-01-31", "1912-02-18", "1949-01-29", "1950-02-17", "1966-01-21", "1970-02-06", "1976-01-31"),
        *("1980-02-16", "1984-02-02", "1985-02-20", "1988-02-17", "1990-01-27", "1995-01-31", "1997-02-07"),
        *("2000-02-05", "2004-01-22", "2008-02-07", "2012-01-23", "2014-01-31", "2015-02-19", "2016-02-08"),
        *("2017-01-28", "2018-02-16", "2019-02-05", "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22"),
        *("2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03"),
        *("2033-01-31", "2034-02-19", "2044-01-30", "2050-01-23", "2100-02-09"),
    ],
)
def test_new_years_that_everybody_knows(new_year: str) -> None:
    day = date.fromisoformat(new_year)
    assert to_lunar(day) == LunarDate(day.year, 1, 1)
    eve = to_lunar(day - DAY) if day > FIRST_DAY else None
    assert eve is None or (eve.year, eve.month) == (day.year - 1, 12)


@pytest.mark.parametrize(
    ("day", "lunar"),
    [
        ("2020-05-23", LunarDate(2020, 4, 1, leap=True)),
        ("2023-03-22", LunarDate(2023, 2, 1, leap=True)),
        ("2025-07-25", LunarDate(2025, 6, 1, leap=True)),
        ("2033-12-22", LunarDate(2033, 11, 1, leap=True)),  # not after the seventh, as old tables had it
        ("1984-11-23", LunarDate(1984, 10, 1, leap=True)),
        ("2026-09-25", LunarDate(2026, 8, 15)),  # mid-autumn
        ("2026-06-19", LunarDate(2026, 5, 5)),  # dragon boats
        ("2025-10-06", LunarDate(2025, 8, 15)),
        ("2013-06-12", LunarDate(2013, 5, 5)),  # the new moon was four minutes before midnight
        ("1978-09-16", LunarDate(1978, 8, 14)),  # Hong Kong's almanacs had the 15th, by Beijing's older meridian
        ("1916-02-03", LunarDate(1916, 1, 1)),  # by Beijing's meridian; by that of 120° it would be the 4th
        ("1906-04-24", LunarDate(1906, 4, 1)),  # as published
        ("2057-09-29", LunarDate(2057, 9, 1)),  # three seconds after midnight, if the earth turns as expected
        ("1949-10-01", LunarDate(1949, 8, 10)),
    ],
)
def test_dates_that_tables_got_wrong_or_that_are_known(day: str, lunar: LunarDate) -> None:
    assert to_lunar(date.fromisoformat(day)) == lunar


def test_leap_months_of_our_time() -> None:
    found = {year: leap_month(year) for year in range(2001, 2034) if leap_month(year)}
    assert found == {2001: 4, 2004: 2, 2006: 7, 2009: 5, 2012: 4, 2014: 9, 2017: 6, 2020: 4, 2023: 2, 2025: 6} | {
        2028: 5,
        2031: 3,
        2033: 11,
    }


def test_qingming() -> None:
    days = {year: qingming(year).day for year in range(2020, 2029)}
    assert days == {2020: 4, 2021: 4, 2022: 5, 2023: 5, 2024: 4, 2025: 4, 2026: 5, 2027: 5, 2028: 4}


@pytest.mark.parametrize("day", [date.min, FIRST_DAY - DAY, LAST_DAY + DAY, date.max])
def test_a_day_outside_the_table_is_refused(day: date) -> None:
    with pytest.raises(BeyondCalendar, match="1900-01-31 to 2101-01-28"):
        to_lunar(day)


@pytest.mark.parametrize("year", [-1, 0, 1899, 2102, 10_000])
def test_a_year_outside_the_table_is_refused(year: int) -> None:
    with pytest.raises(BeyondCalendar, match="1900 to 2101"):
        to_gregorian(year, 1, 1)
    with pytest.raises(BeyondCalendar, match="1900 to 2101"):
        qingming(year)
