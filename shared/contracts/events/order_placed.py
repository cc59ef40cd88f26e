"""A customer ordered. `total_minor` is what the customer pays."""

from datetime import datetime
from typing import ClassVar

from shared.contracts.events.body import Item, WithExtra


class OrderPlaced(WithExtra, frozen=True, kw_only=True):
    """A customer ordered. `total_minor` is what the customer pays.

    If it is sent again later with other items or another total, the later event counts; `placed_at` is then when the
    order was placed, if that is not when the event happened.
    """

    TYPE: ClassVar = "rapport.order_placed.v2"
    FIRST: ClassVar = "rapport.order_placed.v1"

    order_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()
    placed_at: datetime | None = None
