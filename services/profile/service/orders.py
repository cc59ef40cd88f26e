"""Folding the facts about orders, and what they say of the orders of other customers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.profile.domain import ordering
from services.profile.domain.ordering import Key, Mark, Word
from services.profile.repository import fold
from services.profile.repository import orders as repository
from services.profile.repository.orders import RefRow
from shared.contracts import orders
from shared.contracts.envelope import Event
from shared.contracts.orders import Order
from shared.database import order_rows
from shared.database.database import Work


class FoldedOrders(NamedTuple):
    """Whose orders changed, and what is to be told to those who read them: each mark, and the order that counts."""

    profile_ids: set[UUID]
    marks: list[tuple[Mark, Order]]


async def fold_orders(work: Work, assigned: Sequence[tuple[UUID, Event]], moved: Mapping[Key, Order]) -> FoldedOrders:
    """Folds the facts about orders among these events into their rows, and `moved` rows of merged profiles.

    An order that moves to another customer, or that turns out to be told by a shop, changes rows of customers of whom
    none of these events is: the caller publishes those, too.
    """
    about = [(profile_id, event) for profile_id, event in assigned if not event.unverified and orders.order_key(event)]
    changed: dict[Key, Order] = dict(moved)
    for profile_id, event in about:
        key = (profile_id, orders.order_key(event) or "")
        changed[key] = orders.merge(changed.get(key, Order()), orders.order_of(event))
    if not changed:
        return FoldedOrders(set(), [])
    marks = await _moves(work, about)
    for mark in marks:
        changed[mark.row] = orders.merge(changed.get(mark.row, Order()), mark.order)
    now = await _merged(work, changed)
    told = await _told(work, about, now)
    now |= await _missing(work, now, {mark.row for mark in told})
    for mark in told:
        now[mark.row] = orders.merge(now.get(mark.row, Order()), mark.order)
    if marks := [*marks, *told]:
        by_row: dict[Key, Order] = {}
        for mark in marks:
            by_row[mark.row] = orders.merge(by_row.get(mark.row, Order()), mark.order)
        await repository.add_marks(work, by_row)
    await fold.save_orders(work, now)
    counting = now | await _missing(work, now, {mark.counting for mark in marks})
    return FoldedOrders(
        {profile_id for profile_id, _ in now}, [(mark, counting.get(mark.counting, Order())) for mark in marks]
    )


async def _merged(work: Work, changed: Mapping[Key, Order]) -> dict[Key, Order]:
    known = await order_rows.orders(work, changed)
    return {key: orders.merge(known.get(key, Order()), order) for key, order in changed.items()}


async def _moves(work: Work, about: Sequence[tuple[UUID, Event]]) -> list[Mark]:
    """Notes whose the orders are that snapshots tell. Returns the rows that such an order has left."""
    words = ordering.words(about)
    if not words:
        return []
    await repository.lock(work, (f"{source}/{order}" for source, order in words))
    known = await repository.owners(work, words)
    found: list[Mark] = []
    changed: dict[tuple[str, str], Word] = {}
    for (source, order), by_customer in words.items():
        word = known.get((source, order))
        now = ordering.owner(by_customer, word)
        if word is None or now.stamp != word.stamp:
            changed[source, order] = now
        found += ordering.moved(source, order, by_customer, word)
    if changed:
        await repository.save_owners(work, changed)
    return found


async def _told(work: Work, about: Sequence[tuple[UUID, Event]], now: Mapping[Key, Order]) -> list[Mark]:
    """Returns the rows of payments of which it is new that a shop tells them."""
    refs = [
        RefRow(ref=ref, profile_id=profile_id, order_id=orders.order_key(event) or "", paid=ordering.is_paid(event))
        for profile_id, event in about
        for ref in ordering.payment_refs(event)
    ]
    pairs: list[tuple[Key, Key]] = []
    if refs:
        known = {(one.ref, one.profile_id, one.order_id): one for one in refs}
        await repository.lock(work, (f"payment {one.ref}" for one in refs))
        await repository.add_refs(work, known.values())
        rows = await repository.rows_by_refs(work, {one.ref for one in refs})
        pairs = [
            ((paid.profile_id, paid.order_id), (shop.profile_id, shop.order_id))
            for paid in rows
            for shop in rows
            if paid.ref == shop.ref and paid.paid and not shop.paid
        ]
    payers = {key for key, order in now.items() if order.payments}
    shops = {profile_id for (profile_id, _), order in now.items() if order.told_by_shop}
    paid = {key: now[key] for key in payers} | (await repository.paid_rows(work, shops) if shops else {})
    paid |= await _missing(work, paid, {row for row, _ in pairs})
    if not paid:
        return []
    by_shop = dict(now)
    if payers:
        by_shop = await repository.namesakes(work, {(one, orders.split_key(key)[0]) for one, key in payers}) | by_shop
    by_shop |= await _missing(work, by_shop, {shop for _, shop in pairs})
    return [mark for mark in ordering.told(paid, by_shop, pairs) if paid[mark.row].told < mark.order.told]


async def _missing(work: Work, known: Mapping[Key, Order], wanted: set[Key]) -> dict[Key, Order]:
    missing = wanted - known.keys()
    return await order_rows.orders(work, missing) if missing else {}
