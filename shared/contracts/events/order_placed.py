"""A customer ordered. `total_minor` is what the customer pays."""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from shared.contracts.events.body import Item, WithExtra


class OrderRefund(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One refund of an order, as a snapshot of the order has it."""

    refund_id: str
    amount_minor: int


class OrderPlaced(WithExtra, frozen=True, kw_only=True):
    """A customer ordered. `total_minor` is what the customer pays.

    If it is sent again later with other items or another total, the later event counts; `placed_at` is then when the
    order was placed, if that is not when the event happened.

    `state` is what its source says of it: that it stands (`placed`), that it does not (`cancelled`), that it does not
    yet (`pending`), or nothing (`unsaid`). It is empty in a record of a release that had no states.

    `whole` marks a snapshot: all that its source says of the order, `refunds` included, which replaces what that
    source's earlier snapshots have. `payment_refs` are ids by which payment providers call the order's payments. With a
    `payment_id` it is a provider who tells: of that payment, `total_minor` is what was paid, and it is an order only
    where no shop tells it.
    """

    TYPE: ClassVar = "rapport.order_placed.v2"
    FIRST: ClassVar = "rapport.order_placed.v1"

    order_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()
    placed_at: datetime | None = None
    state: Literal["", "placed", "cancelled", "pending", "unsaid"] = ""
    whole: bool = False
    refunds: tuple[OrderRefund, ...] = ()
    payment_refs: tuple[str, ...] = ()
    payment_id: str = ""
