"""An order was cancelled."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class OrderCancelled(WithExtra, frozen=True, kw_only=True):
    """An order was cancelled. `in_snapshot`: a snapshot of the order says so, too, which counts."""

    TYPE: ClassVar = "rapport.order_cancelled.v2"
    FIRST: ClassVar = "rapport.order_cancelled.v1"

    order_id: str
    reason: str = ""
    in_snapshot: bool = False
