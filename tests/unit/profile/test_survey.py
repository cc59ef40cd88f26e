"""A customer's answers to surveys: one for each occasion, the newest, in any order and within the bound."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain.fold import EMPTY, ProfileState, fold, merge
from services.profile.domain.survey import MAX_ANSWERS, Tally, tallies
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import FeedbackSubmitted
from tests.support.events import NOON, days, event

SECOND = timedelta(seconds=1)


def answer(rating: int, *, survey: Any = "nps", order_id: str | None = None, **fields: Any) -> Event:
    """An answer that a shop's server tells."""
    return event(FeedbackSubmitted(survey=survey, rating=rating, order_id=order_id), **fields)


def tallied(*events: Event, onto: ProfileState = EMPTY) -> dict[str, Tally]:
    """What a profile shows of these answers."""
    state = fold(events, onto=onto)
    return tallies(state.answers, state.feedback)


answers = st.builds(
    answer,
    st.integers(0, 5),
    survey=st.sampled_from(["nps", "csat"]),
    order_id=st.sampled_from([None, "A-1", "A-2"]),
    at=st.integers(0, 100).map(lambda hours: NOON + timedelta(hours=hours)),
    event_id=st.uuids(),
    source_kind=st.sampled_from([SourceKind.SERVER, SourceKind.PUBLIC]),
)


def test_who_answers_again_corrects_the_answer() -> None:
    first, corrected = answer(3, at=NOON), answer(9, at=NOON + SECOND)

    assert tallied(first, corrected) == tallied(corrected, first) == {"nps": Tally(1, 9)}


def test_another_survey_day_or_order_is_another_occasion() -> None:
    found = tallied(
        answer(9, at=NOON),
        answer(8, at=NOON + days(1)),
        answer(7, at=NOON, order_id="A-1"),
        answer(6, at=NOON, order_id="A-2"),
        answer(5, at=NOON, survey="csat"),
    )

    assert found == {"nps": Tally(4, 30), "csat": Tally(1, 5)}


def test_a_browser_answers_once_a_day_whatever_time_it_states() -> None:
    backdated = [
        answer(number, at=NOON - days(number), received_at=NOON, source_kind=SourceKind.PUBLIC) for number in range(5)
    ]

    assert tallied(*backdated) == {"nps": Tally(1, 0)}


def test_a_claim_is_no_answer() -> None:
    assert tallied(answer(0, unverified=True)) == {}


def test_answers_that_were_summed_up_before_still_count() -> None:
    before = ProfileState(feedback={"nps": Tally(2, 12)})

    assert tallied(answer(9), answer(4, survey="csat"), onto=before) == {"nps": Tally(3, 21), "csat": Tally(1, 4)}


@given(st.lists(answers, max_size=8, unique_by=lambda one: one.event_id), st.data())
def test_any_order_and_any_split_give_the_same_answers(events: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))

    assert fold(shuffled) == fold(events) == merge(fold(events[:cut]), fold(events[cut:]))


@pytest.mark.parametrize("step", [1, -1])
def test_of_too_many_occasions_the_newest_are_kept(step: int) -> None:
    events = [answer(1, at=NOON + days(number), event_id=UUID(int=number + 1)) for number in range(MAX_ANSWERS + 5)]
    state = fold(events[::step])

    assert sorted(state.answers) == [f"nps/day/{one.occurred_at:%Y-%m-%d}" for one in events[5:]]
    assert fold([answer(9, at=NOON, event_id=UUID(int=9_999))], onto=state).answers == state.answers
