"""When something happened, by clocks that may be wrong."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadEvent
from services.ingest.domain.values import times
from shared.contracts.moments import is_plausible

RECEIVED = datetime(2026, 1, 31, 12, tzinfo=UTC)
SKEWS = st.timedeltas(timedelta(days=-4000), timedelta(days=366))
AGES = st.timedeltas(timedelta(0), timedelta(days=400))


def occurred(timestamp: object, sent_at: datetime | None, *, historical: bool = False) -> datetime:
    return times.occurred_at(timestamp, sent_at=sent_at, received_at=RECEIVED, historical=historical)[1]


@given(age=AGES, skew=SKEWS)
def test_a_senders_clock_that_is_off_by_any_amount_changes_nothing(age: timedelta, skew: timedelta) -> None:
    sent_at = RECEIVED + skew
    assert occurred((sent_at - age).isoformat(), sent_at) == RECEIVED - age


@given(timestamp=st.datetimes(timezones=st.just(UTC)), sent_at=st.none() | st.datetimes(timezones=st.just(UTC)))
def test_nothing_happened_after_it_was_received(timestamp: datetime, sent_at: datetime | None) -> None:
    try:
        found = occurred(timestamp.isoformat(), sent_at)
    except BadEvent:
        return  # the two are further apart than time itself is long
    assert found <= RECEIVED


@pytest.mark.parametrize(
    "timestamp",
    [
        "0001-01-01T00:00:00Z",
        "0007-11-27T08:23:48+03:00",
        "0115-01-31T00:00:00Z",
        "1405-01-31T00:00:00Z",
        "1448-01-31T00:00:00Z",
        "1601-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1989-12-31T23:59:59.999999Z",
        "2026-02-01T12:00:00.000001Z",
        "2083-01-31T12:00:00Z",
        "2569-01-31T12:00:00Z",
        "5786-01-31T12:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
@pytest.mark.parametrize("historical", [False, True])
def test_what_no_event_can_be_of_is_refused(timestamp: str, historical: bool) -> None:
    """Among them years of an Emperor, of the Republic of China, of Persia, the Hijra, Nepal, the Buddha, the world."""
    stamped = datetime.fromisoformat(timestamp)
    for sent_at in (None, RECEIVED, stamped):
        if sent_at == stamped and abs(stamped - RECEIVED) < timedelta(days=366):
            continue  # a clock that is wrong, and says so
        with pytest.raises(BadEvent, match=r"^timestamp: .*of the Gregorian calendar$"):
            occurred(timestamp, sent_at, historical=historical)


@given(st.timedeltas(timedelta(0), timedelta(days=1)))
def test_up_to_a_day_ahead_is_taken_as_now(ahead: timedelta) -> None:
    assert occurred((RECEIVED + ahead).isoformat(), None) == RECEIVED


@pytest.mark.parametrize("sent_at", ["0008-01-31T12:00:00Z", "1970-01-01T00:00:05Z", "2569-01-31T12:00:00Z"])
def test_a_time_of_sending_that_no_wrong_clock_shows_corrects_nothing(sent_at: str) -> None:
    recorded = RECEIVED - timedelta(hours=1)
    assert occurred(recorded.isoformat(), times.moment(sent_at)) == recorded


def test_what_was_stamped_more_than_a_day_after_it_was_sent_is_refused() -> None:
    sent_at = RECEIVED - timedelta(days=30)
    with pytest.raises(BadEvent, match="more than a day ahead"):
        occurred((RECEIVED - timedelta(days=28)).isoformat(), sent_at)


@pytest.mark.parametrize("text", ["٢٠٢٦-٠١-٣١T١٠:٤٨:٢٩.٥Z", "２０２６-01-31T10:48:29Z", "2026-01-३१T10:48:29Z"])
def test_digits_of_other_scripts_are_refused_by_name(text: str) -> None:
    with pytest.raises(BadEvent, match=r"^timestamp: its digits are not those of ASCII"):
        occurred(text, None)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31 12:00:00.5z", "2026-01-31T12:00:00.500000+00:00"),
        ("2026-01-31t13:00:00.25+01:00", "2026-01-31T12:00:00.250000+00:00"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000+00:00"),
        ("2026-01-31T12:00:00.123456789123Z", "2026-01-31T12:00:00.123456+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T23:59:60.75Z", "2017-01-01T00:00:00.750000+00:00"),
        ("2016-12-31t15:59:60-08:00", "2017-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:60Z", None),
        ("2026-01-31T12:00:61Z", None),
        ("2026-01-31T12:60:00z", None),
        ("2026-13-31t12:00:00z", None),
        ("2026-01-31t12:00:00", None),
    ],
)
def test_times_are_read_as_rfc_3339_has_them(text: str, normal: str | None) -> None:
    found = times.moment(text)
    assert (found and found.isoformat()) == normal


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 6), st.sampled_from("Tt "), st.sampled_from("Zz"))
def test_neither_letters_nor_the_length_of_the_fraction_change_a_time(
    when: datetime, digits: int, letter: str, zone: str
) -> None:
    exact = when.replace(microsecond=when.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    fraction = f".{exact.microsecond:06}"[: digits + 1] if digits else ""
    text = f"{exact:%Y-%m-%d}".zfill(10) + letter + f"{exact:%H:%M:%S}{fraction}{zone}"
    assert times.moment(text) == exact


@given(timestamp=st.datetimes(timezones=st.just(UTC)), sent_at=st.none() | st.datetimes(timezones=st.just(UTC)))
def test_whatever_is_taken_in_can_be_read_by_everybody(timestamp: datetime, sent_at: datetime | None) -> None:
    try:
        stated_at, occurred_at = times.occurred_at(
            timestamp.isoformat(), sent_at=sent_at, received_at=RECEIVED, historical=False
        )
    except BadEvent:
        return
    assert is_plausible(occurred_at)
    assert stated_at is not None
    assert is_plausible(stated_at)


@given(
    age=st.timedeltas(timedelta(days=1), timedelta(days=13_000)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_is_the_same_in_every_time_zone(age: timedelta, offset: int) -> None:
    moment = RECEIVED - age
    elsewhere = moment.astimezone(timezone(timedelta(minutes=offset)))
    assert occurred(elsewhere.isoformat(), None) == moment


def test_history_keeps_its_recorded_times() -> None:
    recorded = "1997-03-01T00:00:00Z"
    sent_at = RECEIVED - timedelta(seconds=5)
    assert occurred(recorded, sent_at, historical=True) == datetime(1997, 3, 1, tzinfo=UTC)
    assert occurred(recorded, sent_at) == datetime(1997, 3, 1, 0, 0, 5, tzinfo=UTC)


def test_an_event_without_a_time_happened_when_it_was_received() -> None:
    assert occurred(None, RECEIVED - timedelta(days=1)) == RECEIVED


@pytest.mark.parametrize("timestamp", ["yesterday", "", "2026-01-31T12:00:00", 1_700_000_000, True, {"a": 1}])
def test_a_time_that_is_no_moment_is_refused(timestamp: object) -> None:
    with pytest.raises(BadEvent, match=r"^timestamp: "):
        occurred(timestamp, None)


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00.123456789Z", "2026-01-31T13:00:00.123456+01:00"])
def test_times_are_read_as_sdks_write_them(text: str) -> None:
    assert times.moment(text) == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
