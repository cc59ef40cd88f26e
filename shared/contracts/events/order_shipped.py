"""An order left for the customer."""

from typing import ClassVar

from shared.contracts.events.body import Told


class OrderShipped(Told, frozen=True, kw_only=True):
    """An order left for the customer."""

    TYPE: ClassVar = "rapport.order_shipped.v1"

    order_id: str
    carrier: str = ""
    tracking_number: str = ""
