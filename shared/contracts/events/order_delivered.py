"""An order reached the customer."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class OrderDelivered(WithExtra, frozen=True, kw_only=True):
    """An order reached the customer."""

    TYPE: ClassVar = "rapport.order_delivered.v2"
    FIRST: ClassVar = "rapport.order_delivered.v1"

    order_id: str
