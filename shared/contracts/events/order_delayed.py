"""An order will come later than promised."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class OrderDelayed(WithExtra, frozen=True, kw_only=True):
    """An order will come later than promised."""

    TYPE: ClassVar = "rapport.order_delayed.v2"
    FIRST: ClassVar = "rapport.order_delayed.v1"

    order_id: str
    reason: str = ""
    expected_at: str = ""
