"""A customer said how it was: `Feedback Submitted`. Its route is feedback's own, `POST /v1/feedback`."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import CatalogueEntry
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import SURVEY_SCALES, FeedbackSubmitted


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    survey: Literal["nps", "csat"] = "nps"
    rating: Decimal | None = None
    text: Scalar = None
    order_id: Scalar = None


def _rule(answer: _Answer, _: str) -> FeedbackSubmitted:
    if answer.rating is None:
        raise BadEvent(Reason.REQUIRED, "rating: required; send a whole number in properties.rating")
    scale = SURVEY_SCALES[answer.survey]
    rating = parts.whole(answer.rating, at="properties.rating", reason=Reason.RATING)
    if rating not in scale:
        raise BadEvent(
            Reason.RATING, f"properties.rating: not on the {answer.survey} scale of {scale[0]} to {scale[-1]}"
        )
    return FeedbackSubmitted(
        survey=answer.survey, rating=rating, text=text(answer.text), order_id=text(answer.order_id) or None
    )


ENTRY: Final = CatalogueEntry(
    body=FeedbackSubmitted,
    names=("feedback submitted",),
    properties=Properties(_Answer, "survey", "rating", "text", "order_id"),
    rule=_rule,
)
