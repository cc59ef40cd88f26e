"""A customer answered a survey: `Feedback Submitted`. Its route is feedback's own, `POST /v1/feedback`."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import CatalogueEntry
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import SURVEY_SCALES, FeedbackSubmitted


class _Response(msgspec.Struct, frozen=True, kw_only=True):
    survey: Literal["nps", "csat"] = "nps"
    rating: Decimal | None = None
    text: Scalar = None
    order_id: Scalar = None


def _rule(response: _Response, _: str) -> FeedbackSubmitted:
    if response.rating is None:
        raise BadEvent(Reason.REQUIRED, "rating: required; send a whole number in properties.rating")
    scale = SURVEY_SCALES[response.survey]
    rating = parts.whole(response.rating, at="properties.rating", reason=Reason.RATING)
    if rating not in scale:
        raise BadEvent(
            Reason.RATING, f"properties.rating: not on the {response.survey} scale of {scale[0]} to {scale[-1]}"
        )
    return FeedbackSubmitted(
        survey=response.survey, rating=rating, text=text(response.text), order_id=text(response.order_id) or None
    )


ENTRY: Final = CatalogueEntry(
    body=FeedbackSubmitted,
    names=("feedback submitted",),
    properties=Properties(_Response, "survey", "rating", "text", "order_id"),
    rule=_rule,
)
