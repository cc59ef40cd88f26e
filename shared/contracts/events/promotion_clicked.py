"""A promotion was chosen."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class PromotionClicked(WithExtra, frozen=True, kw_only=True):
    """A promotion was chosen."""

    TYPE: ClassVar = "rapport.promotion_clicked.v1"
    PUBLIC: ClassVar = True

    promotion_id: str
    name: str = ""
    creative: str = ""
    position: str = ""
