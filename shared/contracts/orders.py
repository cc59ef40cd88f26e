"""What the facts about one order add up to, whatever order they arrive in.

This is the meaning of the commerce events, so it is part of their contract: two services that counted a refund
differently would disagree about one customer. Merging is commutative, associative and idempotent.
"""

from datetime import datetime
from typing import TypeVar

import msgspec

from shared.contracts.envelope import Event, Stamp
from shared.contracts.events import (
    Body,
    OrderCancelled,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
)

MAX_CATEGORY_LENGTH = 200  # characters

_Ordered = TypeVar("_Ordered", "Placed", Stamp)


class Placed(msgspec.Struct, frozen=True, array_like=True):
    """One source's statement on what was ordered. The statement with the highest stamp counts.

    `categories` is how many pieces of each were ordered; `at` is when it was placed, if not at the stamp's time.
    """

    stamp: Stamp
    currency: str
    total_minor: int
    cost_minor: int | None
    categories: dict[str, int] = {}
    at: datetime | None = None


class Refund(msgspec.Struct, frozen=True, array_like=True):
    """One refund, named by its id."""

    stamp: Stamp
    currency: str
    amount_minor: int


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything known of one order. An order counts once it is placed and while it is not cancelled."""

    placed: Placed | None = None
    cancelled: Stamp | None = None
    shipped: Stamp | None = None
    delivered: Stamp | None = None
    refunds: dict[str, Refund] = {}

    @property
    def counts(self) -> bool:
        """Whether this is an order the customer made and kept."""
        return self.placed is not None and self.cancelled is None

    @property
    def placed_at(self) -> datetime | None:
        """When it was placed, by the statement that counts."""
        return None if self.placed is None else self.placed.at or self.placed.stamp.occurred_at

    @property
    def refunded_minor(self) -> int:
        """What went back, in the order's own currency."""
        if self.placed is None:
            return 0
        return sum(one.amount_minor for one in self.refunds.values() if one.currency == self.placed.currency)

    @property
    def net_minor(self) -> int:
        """What the customer paid and did not get back; nothing for an order that does not count."""
        return self.placed.total_minor - self.refunded_minor if self.placed and self.counts else 0

    @property
    def margin_minor(self) -> int | None:
        """Net less cost, where the cost of every line is known."""
        if self.placed is None or self.placed.cost_minor is None or not self.counts:
            return None
        return self.net_minor - self.placed.cost_minor


ORDER_FACTS = (OrderPlaced, OrderCancelled, OrderRefunded, OrderShipped, OrderDelivered)


def order_id(body: Body) -> str | None:
    """Returns the order that a fact is about, if it is about one."""
    return body.order_id if isinstance(body, ORDER_FACTS) else None


def order_of(event: Event) -> Order:
    """Returns what this one event says of its order. An unverified event says nothing."""
    body, stamp = event.body, event.stamp
    if event.unverified:
        return Order()
    match body:
        case OrderPlaced():
            costs = [item.unit_cost_minor for item in body.items]
            known = [item.unit_cost_minor * item.quantity for item in body.items if item.unit_cost_minor is not None]
            cost = sum(known) if costs and len(known) == len(costs) else None
            # An order is never known before it is placed.
            at = None if body.placed_at is None else min(body.placed_at, stamp.occurred_at)
            categories: dict[str, int] = {}
            for item in body.items:
                if item.category:
                    name = item.category[:MAX_CATEGORY_LENGTH]
                    categories[name] = categories.get(name, 0) + item.quantity
            return Order(placed=Placed(stamp, body.currency, body.total_minor, cost, categories, at))
        case OrderCancelled():
            return Order(cancelled=stamp)
        case OrderRefunded():
            return Order(refunds={body.refund_id: Refund(stamp, body.currency, body.amount_minor)})
        case OrderShipped():
            return Order(shipped=stamp)
        case OrderDelivered():
            return Order(delivered=stamp)
        case _:
            return Order()


def merge(one: Order, other: Order) -> Order:
    """Returns the union of what two views know of the same order."""
    refunds = dict(one.refunds)
    for refund_id, refund in other.refunds.items():
        refunds[refund_id] = max(refund, refunds.get(refund_id, refund), key=_stamp)
    return Order(
        placed=_greatest(one.placed, other.placed),
        cancelled=_greatest(one.cancelled, other.cancelled),
        shipped=_greatest(one.shipped, other.shipped),
        delivered=_greatest(one.delivered, other.delivered),
        refunds=dict(sorted(refunds.items())),
    )


def _greatest(one: _Ordered | None, other: _Ordered | None) -> _Ordered | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other, key=_stamp)


def _stamp(statement: Placed | Refund | Stamp) -> Stamp:
    # Stamps are distinct for distinct events, so nothing after them needs an order, or has one.
    return statement if isinstance(statement, Stamp) else statement.stamp
