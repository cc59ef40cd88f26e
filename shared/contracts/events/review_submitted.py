"""A customer reviewed a product. The scale of its rating is the shop's own."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class ReviewSubmitted(WithExtra, frozen=True, kw_only=True):
    """A customer reviewed a product. The scale of its rating is the shop's own."""

    TYPE: ClassVar = "rapport.review_submitted.v1"
    PUBLIC: ClassVar = True

    sku: str
    review_id: str | None = None
    rating: float | None = None
    text: str = ""
