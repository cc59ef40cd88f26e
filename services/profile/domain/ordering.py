"""What one customer's events say of another order row: whose an order is now, and which payments a shop tells.

A source's newest snapshot of an order says whose the order is. Of anybody else to whom an earlier one gave it, that
word is void from then on (`Order.left`). A row of payments is told by a shop's order that has the same id, if both are
one customer's, or that names one of the payments (`Order.told`). Both marks only grow, so that any order of events ends
in one state.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from uuid import UUID

from shared.contracts import orders
from shared.contracts.envelope import Event, Stamp
from shared.contracts.events import OrderPlaced, OrderRefunded
from shared.contracts.orders import Order

Key = tuple[UUID, str]


class Word(NamedTuple):
    """A snapshot's word on whose an order is."""

    stamp: Stamp
    profile_id: UUID


class Mark(NamedTuple):
    """What becomes known of a row, and the row of the order as it counts."""

    row: Key
    order: Order
    counting: Key


def words(assigned: Iterable[tuple[UUID, Event]]) -> dict[tuple[str, str], dict[UUID, Stamp]]:
    """Returns by source and order whose it is by the snapshots among these events, and the newest word for each."""
    found: dict[tuple[str, str], dict[UUID, Stamp]] = {}
    for profile_id, event in assigned:
        key = orders.order_key(event)
        if event.unverified or key is None or not (isinstance(event.body, OrderPlaced) and event.body.whole):
            continue
        mine = found.setdefault((event.source_id, key), {})
        known = mine.get(profile_id)
        mine[profile_id] = event.stamp if known is None or known < event.stamp else known
    return found


def owner(by_customer: Mapping[UUID, Stamp], known: Word | None) -> Word:
    """Returns whose an order is, by the newest of these words and of that which was known."""
    found = [Word(stamp, profile_id) for profile_id, stamp in by_customer.items()]
    return max([*found, known] if known else found, key=lambda one: one.stamp.place)


def moved(source: str, order: str, by_customer: Mapping[UUID, Stamp], known: Word | None) -> Iterator[Mark]:
    """Yields the rows that an order has left for its owner's."""
    now = owner(by_customer, known)
    others = by_customer.keys() | ({known.profile_id} if known else set())
    for profile_id in sorted(others - {now.profile_id}):
        yield Mark((profile_id, order), Order(left={source: now.stamp}), (now.profile_id, order))


def payment_refs(event: Event) -> tuple[str, ...]:
    """Returns the names of payments by which an event's order is known."""
    return event.body.payment_refs if isinstance(event.body, OrderPlaced | OrderRefunded) else ()


def is_paid(event: Event) -> bool:
    """Returns whether a payment provider tells this, and no shop."""
    return isinstance(event.body, OrderPlaced | OrderRefunded) and bool(event.body.payment_id)


def told(paid: Mapping[Key, Order], by_shop: Mapping[Key, Order], pairs: Iterable[tuple[Key, Key]]) -> Iterator[Mark]:
    """Yields the rows of payments that these orders of shops tell: of the same id, or paired by a payment's name."""
    telling = {key for key, one in by_shop.items() if one.told_by_shop}
    named: dict[tuple[UUID, str], Key] = {}
    for key in sorted(telling, reverse=True):
        named[key[0], orders.split_key(key[1])[0]] = key
    candidates = {row: named.get((row[0], orders.split_key(row[1])[0])) for row in paid}
    candidates.update({row: shop for row, shop in sorted(pairs) if shop in telling})
    for row, counting in candidates.items():
        order = paid.get(row, Order())
        if counting is not None and counting != row and not order.told_by_shop:
            yield Mark(row, Order(told=counting[1]), counting)
