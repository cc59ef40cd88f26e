"""What feedback means: who is a promoter, what the figures are, when someone must act. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.contracts.envelope import Event, may_say_of
from shared.contracts.events import SURVEY_SCALES, FeedbackSubmitted
from shared.contracts.identity import Identity, Namespace


class Survey(StrEnum):
    """The questions asked: how likely to recommend (0 to 10), how satisfied (1 to 5)."""

    NPS = "nps"
    CSAT = "csat"


# Source: Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003.
PROMOTER_FROM: Final = 9
PASSIVE_FROM: Final = 7
# CSAT as usually reported: the share of the top two boxes of five.
SATISFIED_FROM: Final = 4
DISSATISFIED_TO: Final = 2


# Why a response counts in nothing.
RESPONDED: Final = "the order, or the day, has been answered before"
A_CLAIM: Final = "not believed when it was given"
CORRECTED: Final = "the customer has corrected it since"


class CaseStatus(StrEnum):
    """Whether somebody still has to act."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Figures:
    """A survey's result. `score` is NPS from -100 to 100, or CSAT in percent; None without a response.

    `unsolicited` responses are in none of the other numbers.
    """

    survey: Survey
    responses: int
    positive: int
    neutral: int
    negative: int
    score: float | None
    unsolicited: int = 0


def problem_with(feedback: FeedbackSubmitted) -> str | None:
    """Returns why a response is refused; None if it is not."""
    scale = SURVEY_SCALES[feedback.survey]
    if feedback.rating not in scale:
        return f"rating: {feedback.rating} is not on the {feedback.survey} scale of {scale[0]} to {scale[-1]}"
    return None


def needs_a_person(survey: Survey, rating: int) -> bool:
    """Returns whether a response opens a case: an NPS detractor, or a dissatisfied customer."""
    return rating < PASSIVE_FROM if survey is Survey.NPS else rating <= DISSATISFIED_TO


def in_anothers_name(event: Event) -> str | None:
    """Returns why a response can't be that of the customer whom it names; None if it can."""
    if may_say_of(event.source_kind, FeedbackSubmitted, event.identities):
        return None
    names = ", ".join(sorted({one.namespace for one in event.identities} - {Namespace.ANONYMOUS_ID}))
    return f"given in the name of a customer ({names}) with a public key"


def order_occasion(survey: str, order_id: str) -> str:
    """Returns the occasion of a response about an order."""
    return f"order/{survey}/{order_id}"


def day_occasion(survey: str, who: Identity | UUID, received_at: datetime) -> str:
    """Returns the occasion of a response about no order: the customer, and the day (UTC) on which it was received."""
    return f"day/{survey}/{received_at:%Y-%m-%d}/{who}"


def told_occasion(feedback: FeedbackSubmitted, profile_id: UUID, occurred_at: datetime) -> str:
    """Returns the occasion of a response that a trusted source tells: the order, or else the day (UTC) of it."""
    about = f"order/{feedback.order_id}" if feedback.order_id else f"day/{occurred_at:%Y-%m-%d}"
    return f"told/{feedback.survey}/{profile_id}/{about}"


def figures(survey: Survey, ratings: Mapping[int, int], *, unsolicited: int = 0) -> Figures:
    """Returns a survey's figures from how often each rating was given."""
    positive_from, neutral_from = (
        (PROMOTER_FROM, PASSIVE_FROM) if survey is Survey.NPS else (SATISFIED_FROM, DISSATISFIED_TO + 1)
    )
    responses = sum(ratings.values())
    positive = sum(count for rating, count in ratings.items() if rating >= positive_from)
    neutral = sum(count for rating, count in ratings.items() if neutral_from <= rating < positive_from)
    negative = responses - positive - neutral
    balance = positive - negative if survey is Survey.NPS else positive
    score = 100 * balance / responses if responses else None
    return Figures(survey, responses, positive, neutral, negative, score, unsolicited)
