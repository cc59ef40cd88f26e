"""When something happened, by clocks that may be wrong."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadEvent
from services.ingest.domain.values import times
from shared.contracts.moments import is_plausible

RECEIVED = datetime(2026, 1, 31, 12, tzinfo=UTC)
SKEWS = st.timedeltas(timedelta(days=-4000), timedelta(days=4000))
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
        "1601-01-01T00:00:00Z",
        "1899-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
@pytest.mark.parametrize("historical", [False, True])
def test_what_no_event_can_be_of_is_refused(timestamp: str, historical: bool) -> None:
    for sent_at in (None, RECEIVED):
        with pytest.raises(BadEvent, match="from 1900-01-01 to before 2200-01-01"):
            occurred(timestamp, sent_at, historical=historical)


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
    age=st.timedeltas(timedelta(days=1), timedelta(days=20_000)),
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
