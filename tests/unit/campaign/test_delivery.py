"""What follows from a provider's answer."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.decision import Outcome
from services.campaign.domain.delivery import (
    FIRST_RETRY,
    LONGEST_WAIT,
    MAX_ATTEMPTS,
    Accepted,
    Deferred,
    Lost,
    Rejected,
    Reply,
    State,
    Undeliverable,
    Withheld,
    after,
)
from services.campaign.domain.replies import ProviderReply, Stage

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFUSED: Final = ProviderReply(Stage.RCPT, 550, "5.1.1", "no")


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
        (Undeliverable(REFUSED), State.FAILED, Outcome.FAILED),
        (Withheld(REFUSED), State.PENDING, Outcome.HELD),
        (Lost("r"), State.UNKNOWN, Outcome.UNKNOWN),
        (Deferred("r"), State.PENDING, Outcome.HELD),
    ],
)
def test_each_answer_has_its_state_and_its_decision(answer: Reply, state: State, outcome: Outcome) -> None:
    follows = after(answer, attempt=1, now=NOON)
    assert (follows.state, follows.outcome) == (state, outcome)


@given(st.integers(1, 100), st.timedeltas(timedelta(), timedelta(hours=24)))
def test_while_the_provider_is_away_a_message_neither_fails_nor_is_tried_in_vain_all_the_time(
    attempt: int, waited: timedelta
) -> None:
    follows = after(Deferred("away", counted=False), attempt=attempt, now=NOON, waited=waited)
    assert (follows.state, follows.counted) == (State.PENDING, False)
    assert follows.due_at is not None
    assert FIRST_RETRY <= follows.due_at - NOON <= LONGEST_WAIT
    assert follows.due_at - NOON >= min(waited / 2, LONGEST_WAIT)


@given(st.integers(1, 100))
def test_a_message_that_is_withheld_has_not_been_tried(attempt: int) -> None:
    follows = after(Withheld(REFUSED), attempt=attempt, now=NOON)
    assert (follows.state, follows.outcome, follows.counted) == (State.PENDING, Outcome.HELD, False)


def test_the_last_attempt_fails() -> None:
    assert after(Deferred("busy"), attempt=MAX_ATTEMPTS, now=NOON).state is State.FAILED
