"""An order left for the customer."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class OrderShipped(WithExtra, frozen=True, kw_only=True):
    """An order left for the customer."""

    TYPE: ClassVar = "rapport.order_shipped.v2"
    FIRST: ClassVar = "rapport.order_shipped.v1"

    order_id: str
    carrier: str = ""
    tracking_number: str = ""
