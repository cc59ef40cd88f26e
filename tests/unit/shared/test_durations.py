"""A duration is an exact length: one text, one wording in each language, and each is read back as it was."""

import re
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.calendars.durations import (
    LEAST,
    MOST,
    InvalidDuration,
    Language,
    canonical,
    from_words,
    in_words,
    parse,
    read_words,
)
from tests.support.examples import at_least

languages: st.SearchStrategy[Language] = st.sampled_from(get_args(Language))
most_seconds = int(MOST.total_seconds())
lengths = st.builds(
    lambda seconds: timedelta(seconds=seconds),
    st.integers(1, most_seconds)
    | st.integers(1, MOST.days).map(lambda days: days * 86_400)
    | st.integers(1, 200_000)
    | st.integers(1, 500).map(lambda hours: hours * 3_600),
)
amounts = st.none() | st.integers(0, 200)


@given(lengths)
@settings(max_examples=at_least(100))
@example(LEAST)
@example(MOST)
def test_the_canonical_text_is_read_back(length: timedelta) -> None:
    assert parse(canonical(length)) == length


@given(amounts, amounts, amounts, amounts, amounts)
@settings(max_examples=at_least(100))
def test_whatever_is_read_has_one_canonical_text(
    weeks: int | None, days: int | None, hours: int | None, minutes: int | None, seconds: int | None
) -> None:
    date = "".join(f"{amount}{letter}" for amount, letter in ((weeks, "W"), (days, "D")) if amount is not None)
    clock = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    time = "".join(f"{amount}{letter}" for amount, letter in clock if amount is not None)
    text = f"P{date}" + (f"T{time}" if time else "")
    length = timedelta(weeks=weeks or 0, days=days or 0, hours=hours or 0, minutes=minutes or 0, seconds=seconds or 0)
    if LEAST <= length <= MOST:
        assert parse(text) == length
        assert canonical(parse(canonical(parse(text)))) == canonical(parse(text))
    else:
        with pytest.raises(InvalidDuration):
            parse(text)


@given(lengths, languages)
@settings(max_examples=at_least(300))
def test_words_are_read_back(length: timedelta, language: Language) -> None:
    assert from_words(in_words(length, language), language) == length


@given(lengths, languages, st.sampled_from(["", " ", " and", ",", "内", " ago", "没有", " in 3"]))
@settings(max_examples=at_least(300))
def test_words_are_read_out_of_a_longer_text(length: timedelta, language: Language, after: str) -> None:
    before = "过去" if language == "zh" else "in the last "
    words = in_words(length, language)
    assert read_words(before + words + after, language, len(before)) == (length, len(before + words))


@given(st.text(max_size=30) | st.text("PYMWDTHS0123456789.-", max_size=12))
@settings(max_examples=at_least(100))
def test_any_text_is_a_length_or_is_refused(text: str) -> None:
    for read in (parse, lambda text: from_words(text, "en"), lambda text: from_words(text, "zh")):
        try:
            length = read(text)
        except InvalidDuration:
            continue
        assert LEAST <= length <= MOST


@pytest.mark.parametrize(
    ("text", "again", "english", "chinese"),
    [
        ("P30D", "P30D", "30 days", "30天"),
        ("P1D", "P1D", "1 day", "1天"),
        ("P2W", "P14D", "14 days", "14天"),
        ("P1W1D", "P8D", "8 days", "8天"),
        ("PT6H", "PT6H", "6 hours", "6小时"),
        ("PT36H", "P1DT12H", "1 day 12 hours", "1天12小时"),
        ("P1DT12H", "P1DT12H", "1 day 12 hours", "1天12小时"),
        ("PT90M", "PT1H30M", "1 hour 30 minutes", "1小时30分钟"),
        ("PT1S", "PT1S", "1 second", "1秒"),
        ("P0DT00005M", "PT5M", "5 minutes", "5分钟"),
        ("PT86400S", "P1D", "1 day", "1天"),
    ],
)
def test_a_text_and_its_words(text: str, again: str, english: str, chinese: str) -> None:
    length = parse(text)
    assert (canonical(length), in_words(length, "en"), in_words(length, "zh")) == (again, english, chinese)


@pytest.mark.parametrize(
    ("words", "language", "text"),
    [
        ("2 weeks", "en", "P14D"),
        ("1 week 3 days", "en", "P10D"),
        ("1 Days", "en", "P1D"),
        ("  30   days ", "en", "P30D"),
        ("2周", "zh", "P14D"),
        ("2 周 1 天", "zh", "P15D"),
        ("1天 12小时", "zh", "P1DT12H"),
    ],
)
def test_words_that_are_read_and_not_written(words: str, language: Language, text: str) -> None:
    assert canonical(from_words(words, language)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P1M", "write days, such as P30D"),
        ("P3M", "write days, such as P90D"),
        ("P1Y", "write days, such as P365D"),
        ("P1Y2M3DT4H", "write days, such as P425D"),
        ("P18M", "write days, such as P545D"),
        ("P99Y", "write days, such as P30D"),
        ("p30d", "write 'P30D'"),
        ("P4000D", "at most 10 years (P3653D)"),
        ("P999999999999W", "at most 10 years (P3653D)"),
        ("P0D", "at least 1 second (PT1S)"),
        ("PT0S", "at least 1 second (PT1S)"),
        ("PT1.5H", "such as P30D, P2W, PT6H or P1DT12H"),
        ("-P1D", "such as P30D"),
        ("P", "such as P30D"),
        ("PT", "such as P30D"),
        ("P1DT", "such as P30D"),
        ("P1D2W", "such as P30D"),
        ("P1D1D", "such as P30D"),
        ("P٣D", "such as P30D"),
        ("P1D\n", "write 'P1D'"),
        ("30 days", "such as P30D"),
        ("", "such as P30D"),
        ("P" + "9" * 500 + "D", "such as P30D"),
    ],
)
def test_a_text_that_is_refused_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidDuration, match=re.escape(message)) as refused:
        parse(text)
    assert len(refused.value.detail) < 200


@pytest.mark.parametrize(
    ("words", "language", "message"),
    [
        ("1 month", "en", "write days, such as 30 days"),
        ("2 years", "en", "write days, such as 730 days"),
        ("90 years", "en", "write days, such as 30 days"),
        ("1 quarter", "en", "write days, such as 90 days"),
        ("3个月", "zh", "write days, such as 90天"),
        ("1年", "zh", "write days, such as 365天"),
        ("30", "en", "write a whole number of weeks, days, hours, minutes or seconds: 30 days"),
        ("30 days", "zh", "write a whole number of 周, 天, 小时, 分钟 or 秒: 30天"),
        ("1 hour 1 day", "en", "write a whole number"),
        ("a day", "en", "write a whole number"),
        ("4000 days", "en", "at most 10 years"),
        ("4000" + " " * 9_000 + "days", "en", "at most 10 years"),
        ("0 days", "en", "at least 1 second"),
        ("", "zh", "write a whole number"),
    ],
)
def test_words_that_are_refused_say_what_to_write(words: str, language: Language, message: str) -> None:
    with pytest.raises(InvalidDuration, match=re.escape(message)) as refused:
        from_words(words, language)
    assert len(refused.value.detail) < 200


@pytest.mark.parametrize(
    "length", [timedelta(0), -LEAST, MOST + LEAST, timedelta(microseconds=1), timedelta(seconds=1, microseconds=1)]
)
def test_a_length_out_of_bounds_has_no_text(length: timedelta) -> None:
    with pytest.raises(InvalidDuration):
        canonical(length)
    with pytest.raises(InvalidDuration):
        in_words(length, "en")
