"""Anniversaries come once in each year of their calendar; keys find them in a window exactly if they are in it."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.calendars.anniversaries import (
    CalendarName,
    FactDate,
    InvalidDayWindow,
    InvalidFactDate,
    matching_keys,
    parse,
)
from shared.calendars.lunar import FIRST_DAY, LAST_DAY, BeyondCalendar, to_lunar
from tests.support.examples import at_least

DAY = timedelta(days=1)

years = st.none() | st.integers(1900, 2050)
gregorian = st.builds(
    lambda year, day: FactDate(year, day.month, day.day), years, st.dates(date(2000, 1, 1), date(2000, 12, 31))
)
lunar = st.builds(
    lambda year, month, day, leap: FactDate(year, month, day, "lunar", leap),
    years,
    st.integers(1, 12),
    st.integers(1, 30) | st.sampled_from([29, 30]),
    st.booleans(),
)
facts = gregorian | lunar | st.sampled_from([FactDate(None, 2, day) for day in (28, 29)])
days = st.dates(FIRST_DAY, LAST_DAY - 400 * DAY)
widths = st.integers(0, 12) | st.integers(0, 366)


def occurrences(fact: FactDate, start: date, end: date) -> list[date]:
    """Returns the anniversaries in a window, asked of each year one by one."""
    # A lunar year's days are in the gregorian year of the same number or the next.
    asked = range(max(start.year - 1, 1900), end.year + 1)
    return [on for on in map(fact.occurrence_in, asked) if start <= on <= end]


@given(facts, days, widths)
@settings(max_examples=at_least(300), deadline=None)
@example(FactDate(None, 2, 29), date(2027, 2, 28), 0)
@example(FactDate(None, 2, 29), date(2028, 2, 28), 0)
@example(FactDate(None, 2, 29), date(2028, 2, 29), 0)
@example(FactDate(None, 12, 30, "lunar"), date(2026, 2, 16), 0)  # the eve of a new year after a month of 29 days
@example(FactDate(None, 6, 15, "lunar", leap_month=True), date(2025, 8, 8), 0)
@example(FactDate(None, 6, 15, "lunar", leap_month=True), date(2025, 7, 9), 0)  # in the ordinary month
@example(FactDate(None, 6, 15, "lunar", leap_month=True), date(2026, 7, 28), 0)
def test_a_key_matches_a_window_if_and_only_if_an_anniversary_is_in_it(fact: FactDate, start: date, width: int) -> None:
    end = start + width * DAY
    assert (fact.key in matching_keys(start, end)) == bool(occurrences(fact, start, end))


@given(facts, days)
@settings(max_examples=at_least(200))
def test_the_next_anniversary_is_the_first_from_that_day_on(fact: FactDate, on: date) -> None:
    following = fact.next_occurrence(on)
    assert following >= on
    assert occurrences(fact, on, following) == [following]
    assert fact.days_until(on) == (following - on).days
    assert fact.days_until(following) == 0


@given(facts, days, st.integers(0, 366))
@settings(max_examples=at_least(200))
def test_a_year_is_completed_on_each_anniversary_and_on_no_other_day(fact: FactDate, on: date, later: int) -> None:
    before, after = fact.age_on(on), fact.age_on(on + later * DAY)
    anniversaries = occurrences(fact, on + DAY, on + later * DAY)
    if before is not None:
        assert after == before + len(anniversaries)
    elif after is not None:  # born between the two days
        assert after < len(anniversaries)


@given(facts)
@settings(max_examples=at_least(100))
def test_a_customer_is_born_at_age_0(fact: FactDate) -> None:
    if fact.year is None:
        assert fact.age_on(date(2026, 11, 30)) is None
        return
    born = fact.occurrence_in(fact.year)
    assert fact.age_on(born) == 0
    assert born == FIRST_DAY or fact.age_on(born - DAY) is None
    assert fact.age_on(fact.occurrence_in(fact.year + 30)) == 30


@given(facts, facts)
@settings(max_examples=at_least(100))
def test_dates_with_one_key_have_the_same_anniversaries(one: FactDate, other: FactDate) -> None:
    same = all(one.occurrence_in(year) == other.occurrence_in(year) for year in range(1901, 2100))
    assert same or one.key != other.key


@given(facts)
@settings(max_examples=at_least(100))
def test_a_date_is_read_from_its_text_or_never_was(fact: FactDate) -> None:
    year = "-" if fact.year is None else f"{fact.year:04}"
    text = f"{year}-{fact.month:02}-{fact.day:02}"
    try:
        assert parse(text, fact.calendar, fact.leap_month) == fact
    except InvalidFactDate:
        assert fact.year is not None
        on = fact.occurrence_in(fact.year)
        assert (
            fact.day != on.day
            if fact.calendar == "gregorian"
            else to_lunar(on)[1:]
            != (
                fact.month,
                fact.day,
                fact.leap_month,
            )
        )


@pytest.mark.parametrize(
    ("text", "calendar", "on", "following", "age"),
    [
        ("1990-05-17", "gregorian", "2026-05-17", "2026-05-17", 36),
        ("1990-05-17", "gregorian", "2026-05-18", "2027-05-17", 36),
        ("1990-05-17", "gregorian", "2026-05-16", "2026-05-17", 35),
        ("--05-17", "gregorian", "2026-12-31", "2027-05-17", None),
        ("2000-02-29", "gregorian", "2026-02-27", "2026-02-28", 25),
        ("2000-02-29", "gregorian", "2026-02-28", "2026-02-28", 26),
        ("2000-02-29", "gregorian", "2028-02-28", "2028-02-29", 27),
        ("1960-08-15", "lunar", "2026-09-24", "2026-09-25", 65),
        ("1960-08-15", "lunar", "2026-09-25", "2026-09-25", 66),
        ("--12-30", "lunar", "2026-01-01", "2026-02-16", None),  # the 29th, the last of its month and year
        ("--12-30", "lunar", "2023-12-01", "2024-02-09", None),  # a month of 30 days
        ("1962-12-08", "lunar", "2026-01-25", "2026-01-26", 62),  # its lunar year began in 1962, and ended in 1963
        ("1962-12-08", "lunar", "2026-01-26", "2026-01-26", 63),
    ],
)
def test_dates_and_their_anniversaries(
    text: str, calendar: CalendarName, on: str, following: str, age: int | None
) -> None:
    fact = parse(text, calendar)
    assert fact.next_occurrence(date.fromisoformat(on)) == date.fromisoformat(following)
    assert fact.age_on(date.fromisoformat(on)) == age


def test_a_date_in_a_leap_month_is_in_the_ordinary_month_of_other_years() -> None:
    fact = parse("2025-06-15", "lunar", leap=True)
    found = [fact.occurrence_in(year) for year in (2025, 2026, 2036)]
    assert found == [date(2025, 8, 8), date(2026, 7, 28), date(2036, 8, 6)]  # leap, ordinary, leap


@pytest.mark.parametrize(
    ("fact", "key"),
    [
        (FactDate(1990, 5, 17), "g-05-17"),
        (FactDate(None, 2, 29), "g-02-29"),
        (FactDate(1990, 8, 15, "lunar"), "l-08-15"),
        (FactDate(2025, 6, 30, "lunar", leap_month=True), "l-06-30-leap"),
    ],
)
def test_keys(fact: FactDate, key: str) -> None:
    assert fact.key == key


def test_the_longest_window_has_every_key() -> None:
    found = matching_keys(date(2026, 3, 1), date(2027, 3, 2))
    assert len(found) == 366 + 360 + 360


@pytest.mark.parametrize(
    ("text", "calendar", "leap", "message"),
    [
        ("2023-02-29", "gregorian", False, "days of that month are from 01 to 28"),
        ("--02-30", "gregorian", False, "days of that month are from 01 to 29"),
        ("--04-31", "gregorian", False, "days of that month are from 01 to 30"),
        ("--13-01", "gregorian", False, "months are from 01 to 12"),
        ("--00-01", "lunar", False, "months are from 01 to 12"),
        ("--01-00", "lunar", False, "days of that month are from 01 to 30"),
        ("--01-31", "lunar", False, "days of that month are from 01 to 30"),
        ("0000-01-01", "gregorian", False, "years begin at 1"),
        ("1990-05-17", "gregorian", True, "only lunar dates have leap months"),
        ("2026-06-01", "lunar", True, "lunar year 2026 has no leap month 6"),
        ("2026-12-30", "lunar", False, "days of that month are from 01 to 29"),
        *(
            (text, "gregorian", False, "write YYYY-MM-DD, or --MM-DD without a year")
            for text in (
                "",
                "1990-5-17",
                "05-17",
                "-05-17",
                "---05-17",
                "1990-05-17T00:00:00Z",
                "1990-05-17 ",
                "1990-05-17\n",
                "１９９０-05-17",
                "19900517",
                "90-05-17",
                "+1990-05-17",
                "1990-05",
                "x" * 9_999,
            )
        ),
    ],
)
def test_a_date_that_is_refused_says_why(text: str, calendar: CalendarName, leap: bool, message: str) -> None:
    with pytest.raises(InvalidFactDate, match=re.escape(message)) as refused:
        parse(text, calendar, leap)
    assert len(refused.value.detail) < 100


@given(st.text("0123456789-T /", max_size=12), st.sampled_from(["gregorian", "lunar"]), st.booleans())
@settings(max_examples=at_least(100))
def test_any_text_is_a_date_or_is_refused(text: str, calendar: CalendarName, leap: bool) -> None:
    try:
        fact = parse(text, calendar, leap)
    except InvalidFactDate:
        return
    assert fact.next_occurrence(date(2026, 11, 30)) >= date(2026, 11, 30)


@pytest.mark.parametrize(
    ("start", "end"), [(date(2026, 1, 2), date(2026, 1, 1)), (date(2026, 1, 1), date(2027, 1, 3)), (date.min, date.max)]
)
def test_a_window_that_is_refused(start: date, end: date) -> None:
    with pytest.raises(InvalidDayWindow, match="must be 0 to 366 days long"):
        matching_keys(start, end)


def test_the_ends_of_the_calendars() -> None:
    late = FactDate(None, 1, 1)
    with pytest.raises(BeyondCalendar):
        late.next_occurrence(date.max)
    with pytest.raises(BeyondCalendar):
        matching_keys(LAST_DAY, LAST_DAY + DAY)
    with pytest.raises(BeyondCalendar):
        FactDate(None, 1, 1, "lunar").next_occurrence(FIRST_DAY - DAY)
    assert FactDate(None, 1, 1, "lunar").next_occurrence(LAST_DAY) == LAST_DAY + DAY
