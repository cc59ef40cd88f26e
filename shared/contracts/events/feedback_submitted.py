"""A customer answered a survey. A rating lies on its survey's scale, `SURVEY_SCALES`."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from shared.contracts.events.body import WithExtra

# The ratings of each survey: how likely to recommend, how satisfied.
SURVEY_SCALES: Final[Mapping[str, range]] = {"nps": range(11), "csat": range(1, 6)}


class FeedbackSubmitted(WithExtra, frozen=True, kw_only=True):
    """A customer answered a survey. A rating lies on its survey's scale, `SURVEY_SCALES`."""

    TYPE: ClassVar = "rapport.feedback_submitted.v2"
    FIRST: ClassVar = "rapport.feedback_submitted.v1"
    PUBLIC: ClassVar = True

    survey: Literal["nps", "csat"]
    rating: int
    text: str = ""
    order_id: str | None = None
