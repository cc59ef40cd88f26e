"""A promotion was seen."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class PromotionViewed(WithExtra, frozen=True, kw_only=True):
    """A promotion was seen."""

    TYPE: ClassVar = "rapport.promotion_viewed.v1"
    PUBLIC: ClassVar = True

    promotion_id: str
    name: str = ""
    creative: str = ""
    position: str = ""
