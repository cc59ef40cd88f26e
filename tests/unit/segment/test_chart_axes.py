"""Marks of axes, and numbers and moments in each language."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.segment.domain.charts import axes, formats
from services.segment.domain.charts.formats import Language
from services.segment.domain.reports import MAX_SIZE_POINTS, size_step_seconds

UNITS = {"k": 10**3, "M": 10**6, "B": 10**9, "万": 10**4, "亿": 10**8, "": 1}
languages: st.SearchStrategy[Language] = st.sampled_from(("en", "zh"))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
spans = st.integers(60, 4 * 3_600) | st.integers(60, 40 * 366 * 86_400)


@given(st.integers(0, 2**60), st.integers(2, 8))
def test_marks_of_counts_are_even_and_hold_the_highest(highest: int, marks: int) -> None:
    found = axes.counts(highest, marks=marks)
    assert found[0] == 0
    assert found[-1] >= highest
    assert 2 <= len(found) <= marks + 1
    assert found[-2] < max(highest, 1)


@given(moments, spans, languages)
def test_marks_of_time_are_round_few_and_within_it(since: datetime, seconds: int, language: Language) -> None:
    until = since + timedelta(seconds=seconds)
    found = axes.moments(since, until, language)
    assert len(found) <= 7
    assert seconds < 3_600 or found
    assert all(since <= at <= until for at, _ in found)
    assert all(at.minute % 15 == at.second == at.microsecond == 0 for at, _ in found)
    assert all(one[1] != other[1] for one, other in pairwise(found))


@given(st.integers(0, 2**60), languages)
def test_a_short_number_is_exact(value: int, language: Language) -> None:
    shown = formats.short(value, language)
    unit = shown[-1] if shown[-1] in UNITS else ""
    assert Decimal(shown.removesuffix(unit).replace(",", "")) * UNITS[unit] == value


def test_numbers_and_moments_are_written_as_each_language_does() -> None:
    at = datetime(2026, 11, 5, 7, 3, tzinfo=UTC)
    assert formats.number(1_234_567) == "1,234,567"
    assert [formats.short(15_000, "en"), formats.short(15_000, "zh")] == ["15k", "1.5万"]
    assert [formats.short(2 * 10**8, "en"), formats.short(2 * 10**8, "zh")] == ["200M", "2亿"]
    assert [formats.short(5_000, "en"), formats.short(5_000, "zh")] == ["5,000", "5,000"]
    assert [formats.moment(at, "en"), formats.moment(at, "zh")] == ["5 Nov 2026, 07:03 UTC", "2026年11月5日 07:03 UTC"]
    assert [formats.month(at, "en"), formats.month(at, "zh")] == ["Nov 2026", "2026年11月"]
    assert [formats.day_of_year(at, "en"), formats.day_of_year(at, "zh")] == ["5 Nov", "11月5日"]


def test_shares_have_one_decimal_and_what_is_there_is_never_shown_as_nothing() -> None:
    shown = [formats.percent(*one) for one in ((1, 3), (0, 3), (3, 3), (1, 100_000), (1, 0), (1, 8))]
    assert shown == ["33.3%", "0.0%", "100.0%", "<0.1%", "–", "12.5%"]


@given(st.integers(1, 366 * 86_400))
def test_sizes_of_up_to_a_year_are_cut_into_no_more_parts_than_a_picture_shows(seconds: int) -> None:
    assert seconds / size_step_seconds(seconds) <= MAX_SIZE_POINTS
