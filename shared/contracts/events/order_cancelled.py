"""An order no longer stands."""

from typing import ClassVar

from shared.contracts.events.body import Told


class OrderCancelled(Told, frozen=True, kw_only=True):
    """An order no longer stands."""

    TYPE: ClassVar = "rapport.order_cancelled.v1"

    order_id: str
    reason: str = ""
