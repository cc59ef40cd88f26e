"""What feedback means: who is a promoter, what the figures are, when someone must act. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.events import SURVEY_SCALES, FeedbackSubmitted


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


class CaseStatus(StrEnum):
    """Whether somebody still has to act."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Figures:
    """A survey's result. `score` is NPS from -100 to 100, or CSAT in percent; None without an answer."""

    survey: Survey
    responses: int
    positive: int
    neutral: int
    negative: int
    score: float | None


def problem_with(feedback: FeedbackSubmitted) -> str | None:
    """Why an answer can't be taken, if so."""
    scale = SURVEY_SCALES[feedback.survey]
    if feedback.rating not in scale:
        return f"rating: {feedback.rating} is not on the {feedback.survey} scale of {scale[0]} to {scale[-1]}"
    return None


def needs_a_person(survey: Survey, rating: int) -> bool:
    """Whether an answer opens a case: an NPS detractor, or a dissatisfied customer."""
    return rating < PASSIVE_FROM if survey is Survey.NPS else rating <= DISSATISFIED_TO


def figures(survey: Survey, answers: Mapping[int, int]) -> Figures:
    """A survey's figures from how often each rating was given."""
    positive_from, neutral_from = (
        (PROMOTER_FROM, PASSIVE_FROM) if survey is Survey.NPS else (SATISFIED_FROM, DISSATISFIED_TO + 1)
    )
    responses = sum(answers.values())
    positive = sum(count for rating, count in answers.items() if rating >= positive_from)
    neutral = sum(count for rating, count in answers.items() if neutral_from <= rating < positive_from)
    negative = responses - positive - neutral
    balance = positive - negative if survey is Survey.NPS else positive
    return Figures(survey, responses, positive, neutral, negative, 100 * balance / responses if responses else None)
