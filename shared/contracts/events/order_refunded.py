"""Money was refunded for an order. `refund_id` makes one refund count once."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class OrderRefunded(WithExtra, frozen=True, kw_only=True):
    """Money was refunded for an order. `refund_id` makes one refund count once."""

    TYPE: ClassVar = "rapport.order_refunded.v2"
    FIRST: ClassVar = "rapport.order_refunded.v1"

    order_id: str
    refund_id: str
    currency: str
    amount_minor: int
