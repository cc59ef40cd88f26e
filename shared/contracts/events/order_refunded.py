"""Money was refunded for an order. `refund_id` makes one refund count once."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class OrderRefunded(WithExtra, frozen=True, kw_only=True):
    """Money was refunded for an order. `refund_id` makes one refund count once.

    `full` says that all of it went back that had not before: then no amount is given. `in_snapshot`: the refund is in a
    snapshot of its order, too, which counts. With a `payment_id` it is a payment provider who tells, of that payment;
    `in_all` marks the sum of all that went back so far, `dispute` what a lost dispute took.
    """

    TYPE: ClassVar = "rapport.order_refunded.v2"
    FIRST: ClassVar = "rapport.order_refunded.v1"

    order_id: str
    refund_id: str
    currency: str
    amount_minor: int
    full: bool = False
    in_snapshot: bool = False
    payment_id: str = ""
    payment_refs: tuple[str, ...] = ()
    in_all: bool = False
    dispute: bool = False
