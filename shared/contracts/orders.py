"""What the facts about one order add up to, whatever order they arrive in.

This is the meaning of the commerce events, so it is part of their contract: two services that counted a refund
differently would disagree about one customer. Merging is commutative, associative and idempotent.

A fact adds to what is known; a snapshot is a source's whole word on an order, and replaces the earlier one of that
source: what was ordered, and which refunds there are. Whether an order stands is the newest word of anybody on it. What
a payment provider tells counts where no shop tells the order. (Decisions 0051, 0052.)
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP
from typing import Final, TypeVar

import msgspec

from shared.contracts.envelope import NEVER, Event, Place, Stamp
from shared.contracts.events import (
    Body,
    Item,
    OrderCancelled,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
)

MAX_CATEGORY_LENGTH: Final = 200  # characters
FACTS: Final = ""  # whose lines those are that are stated as facts
MAX_LINES: Final = 50  # of an order, kept
MAX_LINE_TEXT: Final = 100  # characters of a line's name

_SPACE_AFTER: Final = "\x1f"  # between an order's id and its space; ids have no control characters


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of what was ordered, in short: what figures and conditions ask for."""

    sku: str
    name: str
    category: str
    quantity: int
    unit_price_minor: int


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


class Ordered(msgspec.Struct, frozen=True, array_like=True):
    """The first `MAX_LINES` lines of one statement, the one that has this stamp."""

    stamp: Stamp
    lines: tuple[Line, ...] = ()


class Refund(msgspec.Struct, frozen=True, array_like=True):
    """One refund, named by its id; `full` gives back whatever else was not, and has no amount."""

    stamp: Stamp
    currency: str
    amount_minor: int
    full: bool = False


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A source's whole word on an order: what was ordered, and all refunds that it knows, by their ids."""

    placed: Placed
    refunds: dict[str, Refund] = {}

    @property
    def stamp(self) -> Stamp:
        """The place of this word among those of its source."""
        return self.placed.stamp


class Payment(msgspec.Struct, frozen=True, array_like=True):
    """One payment by its provider's word: what was paid, and what went back."""

    paid: Placed | None = None
    refunds: dict[str, Refund] = {}
    in_all: Refund | None = None
    disputes: dict[str, Refund] = {}

    def went_back(self, currency: str) -> int:
        """Returns what went back of it in this currency: by refunds, one by one or in all, and by lost disputes."""
        one_by_one = sum(one.amount_minor for one in self.refunds.values() if one.currency == currency)
        in_all = self.in_all.amount_minor if self.in_all is not None and self.in_all.currency == currency else 0
        disputed = sum(one.amount_minor for one in self.disputes.values() if one.currency == currency)
        return max(one_by_one, in_all) + disputed


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything known of one order, of one customer.

    `placed` is by facts, `snapshots` by source. `kept` and `cancelled` are the newest words that it stands, and that it
    does not. `restated` is the statement received last of a release that had no states: such a one restores an order
    that was cancelled before it by both its times, its own and that of its receipt (a shop of then sent statement and
    cancellation together). `left` has, by source, since when its snapshots are of another customer's order. `payments`
    are by a payment provider; `told` names the order of a shop that tells what they paid, if there is one.
    `ordered` has the lines of the newest statement of each source, and under `FACTS` of all who state facts.
    """

    placed: Placed | None = None
    kept: Stamp | None = None
    cancelled: Stamp | None = None
    restated: Stamp | None = None
    shipped: Stamp | None = None
    delivered: Stamp | None = None
    refunds: dict[str, Refund] = {}
    snapshots: dict[str, Snapshot] = {}
    left: dict[str, Stamp] = {}
    payments: dict[str, Payment] = {}
    told: str = ""
    ordered: dict[str, Ordered] = {}

    @property
    def statement(self) -> Placed | None:
        """What was ordered, by the statement that counts; a shop's before those of payment providers."""
        told_by_shop = [one.placed for one in self._snapshots] + ([self.placed] if self.placed else [])
        return max(told_by_shop, key=_place) if told_by_shop else self._paid

    @property
    def told_by_shop(self) -> bool:
        """Whether a shop tells what was ordered, and not only a payment provider what was paid."""
        return self.placed is not None or any(True for _ in self._snapshots)

    @property
    def counts(self) -> bool:
        """Whether this is an order that the customer made and kept."""
        if self.statement is None:
            return False
        if self.cancelled is None or (self.kept is not None and self.cancelled < self.kept):
            return True
        again = self.restated
        return again is not None and self.cancelled < again and _received(self.cancelled) < _received(again)

    @property
    def currency(self) -> str | None:
        """The currency of what was ordered."""
        return None if (found := self.statement) is None else found.currency

    @property
    def placed_at(self) -> datetime | None:
        """When it was placed, by the statement that counts."""
        return None if (found := self.statement) is None else found.at or found.stamp.occurred_at

    @property
    def categories(self) -> Mapping[str, int]:
        """How many pieces of each category were ordered."""
        return {} if (found := self.statement) is None else found.categories

    @property
    def lines(self) -> tuple[Line, ...]:
        """What was ordered, line by line, by the statement that counts; a release before this kept none."""
        if (found := self.statement) is None:
            return ()
        return next((one.lines for one in self.ordered.values() if one.stamp == found.stamp), ())

    @property
    def refunded_minor(self) -> int:
        """What went back, in the order's own currency."""
        if (found := self.statement) is None:
            return 0
        if not self.told_by_shop:
            return sum(one.went_back(found.currency) for one in self.payments.values())
        refunds = self._refunds
        went = sum(one.amount_minor for one in refunds if one.currency == found.currency)
        return max(went, found.total_minor) if any(one.full for one in refunds) else went

    @property
    def refunds_elsewhere(self) -> dict[str, int]:
        """What went back in other currencies than the order's own, by currency: nobody knows what that is in it."""
        if (stated := self.statement) is None or not self.told_by_shop:
            return {}
        found: dict[str, int] = {}
        for one in self._refunds:
            if one.currency != stated.currency and not one.full:
                found[one.currency] = found.get(one.currency, 0) + one.amount_minor
        return found

    @property
    def net_minor(self) -> int:
        """What the customer paid and did not get back; nothing for an order that does not count."""
        found = self.statement
        return found.total_minor - self.refunded_minor if found and self.counts else 0

    @property
    def margin_minor(self) -> int | None:
        """Net less cost, where the cost of every line is known."""
        found = self.statement
        if found is None or found.cost_minor is None or not self.counts:
            return None
        return self.net_minor - found.cost_minor

    @property
    def _snapshots(self) -> Iterable[Snapshot]:
        for source, one in self.snapshots.items():
            left = self.left.get(source)
            if left is None or not one.stamp < left:
                yield one

    @property
    def _refunds(self) -> list[Refund]:
        found = dict(self.refunds)
        for snapshot in self._snapshots:
            found = _newest_of_each(found, snapshot.refunds)
        return list(found.values())

    @property
    def _paid(self) -> Placed | None:
        """What several payments of one order add up to, in the currency of the newest."""
        paid = [one.paid for one in self.payments.values() if one.paid is not None and one.paid.total_minor]
        if not paid or self.told:
            return None
        newest = max(paid, key=_place)
        total = sum(one.total_minor for one in paid if one.currency == newest.currency)
        at = min(one.at or one.stamp.occurred_at for one in paid)
        return Placed(newest.stamp, newest.currency, total, None, {}, at)


ORDER_FACTS: Final = (OrderPlaced, OrderCancelled, OrderRefunded, OrderShipped, OrderDelivered)


def order_id(body: Body) -> str | None:
    """Returns the order that a fact is about, by its source's id, if it is about one."""
    return body.order_id if isinstance(body, ORDER_FACTS) else None


def order_key(event: Event) -> str | None:
    """Returns the name of the order that a fact is about: its id, with the space in which that is one."""
    found = order_id(event.body)
    return None if found is None else f"{found}{_SPACE_AFTER}{event.space}" if event.space else found


def split_key(key: str) -> tuple[str, str]:
    """Returns an order's id and its space, empty for the common one."""
    found, _, space = key.partition(_SPACE_AFTER)
    return found, space


def order_of(event: Event) -> Order:
    """Returns what this one event says of its order. An unverified event says nothing."""
    body, stamp = event.body, event.stamp
    if event.unverified:
        return Order()
    match body:
        case OrderPlaced():
            return _placed(body, stamp, event.source_id)
        case OrderCancelled(in_snapshot=False):
            return Order(cancelled=stamp)
        case OrderRefunded(in_snapshot=False):
            return _refunded(body, stamp)
        case OrderShipped():
            return Order(shipped=stamp)
        case OrderDelivered():
            return Order(delivered=stamp)
        case _:
            return Order()


def _placed(body: OrderPlaced, stamp: Stamp, source: str) -> Order:
    # An order is never known before it is placed.
    at = None if body.placed_at is None else min(body.placed_at, stamp.occurred_at)
    placed = Placed(stamp, body.currency, body.total_minor, _cost(body.items), _categories(body.items), at)
    if body.payment_id:
        return Order(payments={body.payment_id: Payment(paid=placed)})
    kept = stamp if body.state == "placed" else None
    cancelled = stamp if body.state in ("cancelled", "pending") else None
    if not body.whole:
        restated = stamp if body.state == "" else None
        ordered = _ordered(FACTS, stamp, body.items)
        return Order(placed=placed, kept=kept, cancelled=cancelled, restated=restated, ordered=ordered)
    refunds = {one.refund_id: Refund(stamp, body.currency, one.amount_minor) for one in body.refunds}
    ordered = _ordered(source, stamp, body.items)
    return Order(snapshots={source: Snapshot(placed, refunds)}, kept=kept, cancelled=cancelled, ordered=ordered)


def _refunded(body: OrderRefunded, stamp: Stamp) -> Order:
    refund = Refund(stamp, body.currency, body.amount_minor, body.full)
    by_id = {body.refund_id: refund}
    if not body.payment_id:
        return Order(refunds=by_id)
    if body.dispute:
        payment = Payment(disputes=by_id)
    else:
        payment = Payment(in_all=refund) if body.in_all else Payment(refunds=by_id)
    # Of an order that has no other name, the statement may be of before payments were known as such.
    named_by_itself = body.order_id == body.payment_id and not body.in_all
    return Order(payments={body.payment_id: payment}, refunds=by_id if named_by_itself else {})


def _cost(items: tuple[Item, ...]) -> int | None:
    known = [(one.unit_cost_minor, one) for one in items if one.unit_cost_minor is not None]
    if not items or len(known) < len(items):
        return None
    return sum(line_minor(cost, one) for cost, one in known)


def line_minor(unit_minor: int, item: Item) -> int:
    """Returns what a line's quantity comes to at this price or cost of one unit, rounded half up."""
    if item.exact_quantity is None:
        return unit_minor * item.quantity
    return int((unit_minor * item.exact_quantity).to_integral_value(ROUND_HALF_UP))


def _ordered(source: str, stamp: Stamp, items: tuple[Item, ...]) -> dict[str, Ordered]:
    lines = tuple(
        Line(
            one.sku,
            one.name[:MAX_LINE_TEXT],
            one.category[:MAX_CATEGORY_LENGTH],
            one.quantity,
            one.unit_price_minor,
        )
        for one in items[:MAX_LINES]
    )
    return {source: Ordered(stamp, lines)} if lines else {}


def _categories(items: tuple[Item, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        if item.category:
            name = item.category[:MAX_CATEGORY_LENGTH]
            found[name] = found.get(name, 0) + item.quantity
    return found


def merge(one: Order, other: Order) -> Order:
    """Returns the union of what two views know of the same order."""
    return Order(
        placed=_greatest(one.placed, other.placed),
        kept=_greatest(one.kept, other.kept),
        cancelled=_greatest(one.cancelled, other.cancelled),
        restated=_last_received(one.restated, other.restated),
        shipped=_greatest(one.shipped, other.shipped),
        delivered=_greatest(one.delivered, other.delivered),
        refunds=_newest_of_each(one.refunds, other.refunds),
        snapshots=_newest_of_each(one.snapshots, other.snapshots),
        left=_newest_of_each(one.left, other.left),
        payments=_merged_payments(one.payments, other.payments),
        told=max(one.told, other.told),
        ordered=_newest_of_each(one.ordered, other.ordered),
    )


def _merged_payments(one: dict[str, Payment], other: dict[str, Payment]) -> dict[str, Payment]:
    if not one or not other:
        return one or other
    return {
        name: _merged_payment(one[name], other[name])
        if name in one and name in other
        else (one.get(name) or other[name])
        for name in sorted(one.keys() | other.keys())
    }


def _merged_payment(one: Payment, other: Payment) -> Payment:
    return Payment(
        paid=_greatest(one.paid, other.paid),
        refunds=_newest_of_each(one.refunds, other.refunds),
        in_all=_greatest(one.in_all, other.in_all),
        disputes=_newest_of_each(one.disputes, other.disputes),
    )


_Stamped = TypeVar("_Stamped", Placed, Refund, Snapshot, Stamp, Ordered)


def _newest_of_each(one: dict[str, _Stamped], other: dict[str, _Stamped]) -> dict[str, _Stamped]:
    if not one or not other:
        return one or other
    found = dict(one)
    for name, word in other.items():
        known = found.get(name)
        if known is None or _place(known) < _place(word):
            found[name] = word
    return dict(sorted(found.items()))


def _greatest(one: _Stamped | None, other: _Stamped | None) -> _Stamped | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other, key=_place)


def _received(stamp: Stamp) -> datetime:
    return stamp.received_at or NEVER


def _last_received(one: Stamp | None, other: Stamp | None) -> Stamp | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other, key=lambda stamp: (_received(stamp), stamp.place))


def _place(statement: Placed | Refund | Snapshot | Stamp | Ordered) -> Place:
    # Stamps are distinct for distinct events, so nothing after them needs an order, or has one.
    return (statement if isinstance(statement, Stamp) else statement.stamp).place
