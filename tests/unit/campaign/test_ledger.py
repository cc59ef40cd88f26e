"""When the ledger is another one than it was, and which send cutoff may be set."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.ledger import Identity, Ledger, Objection, difference, objection

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE: Final = Identity(7, 1, 16_385)

identities = st.builds(Identity, *[st.integers(0, 3)] * 3)
moments = st.integers(-100, 100).map(lambda minutes: NOON + timedelta(minutes=minutes))
ledgers = st.builds(
    Ledger,
    st.just(HERE),
    send_cutoff=st.none() | moments,
    awaiting_since=st.none() | moments,
    reason=st.just("restored"),
)


@given(identities, identities)
def test_a_database_is_another_exactly_if_anything_that_names_it_differs(noted: Identity, found: Identity) -> None:
    assert (difference(noted, found) is None) is (noted == found)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"system_identifier": 8}, "restored or promoted: server 8, was 7"),
        ({"timeline_id": 2}, "restored or promoted: timeline 2, was 1"),
        ({"timeline_id": 2, "database_oid": 5}, "restored or promoted: timeline 2, was 1, database 5, was 16385"),
    ],
)
def test_a_difference_says_what_it_is(changes: dict[str, int], reason: str) -> None:
    assert difference(HERE, msgspec.structs.replace(HERE, **changes)) == reason


@given(ledgers, moments, st.none() | moments, moments)
def test_a_send_cutoff_that_may_be_set_is_neither_ahead_nor_before_the_one_that_stands(
    ledger: Ledger, at: datetime, last_handed: datetime | None, now: datetime
) -> None:
    if objection(ledger, at, last_handed=last_handed, now=now) is None:
        assert at <= now
        assert ledger.send_cutoff is None or ledger.send_cutoff <= at


@given(ledgers, st.none() | moments, moments)
def test_now_is_a_send_cutoff_that_may_always_be_set(
    ledger: Ledger, last_handed: datetime | None, now: datetime
) -> None:
    known = [moment for moment in (ledger.send_cutoff, last_handed) if moment is not None]
    now = max([now, *known])  # what is known was known before
    assert objection(ledger, now, last_handed=last_handed, now=now) is None


def test_each_objection_has_its_words() -> None:
    awaiting = Ledger(HERE, send_cutoff=NOON, awaiting_since=NOON, reason="restored")
    minute = timedelta(minutes=1)
    assert objection(awaiting, NOON + minute, last_handed=None, now=NOON) is Objection.IN_THE_FUTURE
    assert objection(awaiting, NOON - minute, last_handed=None, now=NOON) is Objection.MOVES_BACK
    later = NOON + 2 * minute
    assert objection(awaiting, NOON + minute, last_handed=later, now=later) is Objection.BEFORE_THE_LAST_MESSAGE
    drill = Ledger(HERE)
    assert objection(drill, NOON, last_handed=later, now=later) is None
