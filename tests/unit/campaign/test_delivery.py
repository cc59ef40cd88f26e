"""What follows from a provider's answer."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.decision import Outcome
from services.campaign.domain.delivery import (
    MAX_ATTEMPTS,
    Accepted,
    Deferred,
    Lost,
    Rejected,
    Reply,
    State,
    after,
)

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.sampled_from([Accepted(), Rejected("r"), Lost("r"), Deferred("r")]), st.integers(1, 20))
def test_only_a_message_that_the_provider_did_not_take_is_tried_again(answer: Reply, attempt: int) -> None:
    follows = after(answer, attempt=attempt, now=NOON)
    again = isinstance(answer, Deferred) and attempt < MAX_ATTEMPTS
    assert (follows.state is State.PENDING) is again
    assert (follows.due_at is not None and follows.due_at > NOON) is again


def test_each_retry_waits_longer_than_the_one_before() -> None:
    waits = [
        due - NOON
        for attempt in range(1, MAX_ATTEMPTS)
        if (due := after(Deferred("busy"), attempt=attempt, now=NOON).due_at)
    ]
    assert waits == sorted(set(waits))
    assert timedelta(minutes=30) < sum(waits, timedelta()) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("answer", "state", "outcome"),
    [
        (Accepted(), State.SENT, Outcome.SENT),
        (Rejected("r"), State.FAILED, Outcome.FAILED),
        (Lost("r"), State.UNKNOWN, Outcome.UNKNOWN),
        (Deferred("r"), State.PENDING, Outcome.HELD),
    ],
)
def test_each_answer_has_its_state_and_its_decision(answer: Reply, state: State, outcome: Outcome) -> None:
    follows = after(answer, attempt=1, now=NOON)
    assert (follows.state, follows.outcome) == (state, outcome)


def test_the_last_attempt_fails() -> None:
    assert after(Deferred("busy"), attempt=MAX_ATTEMPTS, now=NOON).state is State.FAILED
