"""What the record says when it is read again: who stands for whom, and what a customer's events add up to."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

import msgspec

from services.profile.domain import fold
from services.profile.domain.fold import LinkedIdentity, ProfileState
from shared.contracts import orders
from shared.contracts.envelope import Event
from shared.contracts.identity import canonical_id, way
from shared.contracts.orders import Order


class Folded(msgspec.Struct, frozen=True):
    """A profile as its events make it: its state, and by their keys its orders and its full counts."""

    state: ProfileState
    orders: dict[str, Order]
    counts: dict[tuple[str, str], int]


def folded(
    events: Iterable[Event],
    identities: Iterable[LinkedIdentity],
    marks: Mapping[str, Order] | None = None,
    parted: Mapping[str, str] | None = None,
) -> Folded:
    """Returns what these events, each given once, in any order, and these linked identities add up to.

    `marks` is what other customers' events say of the orders, by their keys; `parted` which side the customer is in
    splits.
    """
    state = ProfileState(parted=dict(parted or {}))
    orders_by_key: dict[str, Order] = dict(marks or {})
    counts: dict[tuple[str, str], int] = {}
    for event in events:
        state = fold.merge(state, fold.state_of(event))
        if (key := orders.order_key(event)) is not None and not event.unverified:
            orders_by_key[key] = orders.merge(orders_by_key.get(key, Order()), orders.order_of(event))
        for kind, name, times in fold.counted(event):
            counts[kind, name] = counts.get((kind, name), 0) + times
    return Folded(fold.with_identities(state, identities), orders_by_key, counts)


def refunds_elsewhere(kept: Iterable[Order]) -> dict[str, int]:
    """Returns by currency what was refunded in another currency than its order's, which counts nowhere."""
    found: dict[str, int] = {}
    for order in kept:
        for currency, amount in order.refunds_elsewhere.items():
            found[currency] = found.get(currency, 0) + amount
    return found


def stand_ins(survivors: Mapping[UUID, UUID]) -> dict[UUID, UUID]:
    """Returns for each merged profile the one that stands for it in the end, given into which each was merged."""
    return {loser: canonical_id(survivors, loser) for loser in survivors}


def verified_ids(survivors: Mapping[UUID, UUID], verified: Collection[UUID]) -> set[UUID]:
    """Returns the merged profiles that were verified at each merge on their way, given which were at their own."""
    return {loser for loser in survivors if all(one in verified for one in way(survivors, loser))}
