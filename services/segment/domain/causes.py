"""Which event caused a change of standing, and since when that has been true."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from services.segment.domain.programmes.tier_standing import QualifyingOrder
from shared.contracts import orders
from shared.contracts.changes import OrderReassigned, ProfileMerged
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced
from shared.contracts.orders import Order
from shared.contracts.true_since import true_since

OrderKey = tuple[UUID, str]


def causes_of(folded: Iterable[tuple[OrderKey, Event]], known: Mapping[OrderKey, Order]) -> dict[UUID, Event]:
    """Returns by customer the newest live fact, as of when it became true. `known` was known before these facts.

    Of an old order that is stated again and a new one, the new one is the cause: the other is no news. An order that
    is stated several times in one batch was placed at the first of its times.
    """
    facts = list(folded)
    placed = {key: order.placed_at for key, order in known.items()}
    for key, event in facts:
        if isinstance(event.body, OrderPlaced):
            placed[key] = true_since(event, placed_before=placed.get(key))
    causes: dict[UUID, Event] = {}
    for key, event in facts:
        since = true_since(event, placed_before=placed.get(key))
        fact = event if since == event.occurred_at else msgspec.structs.replace(event, occurred_at=since)
        causes[key[0]] = max(causes.get(key[0], fact), fact, key=_newest)
    return causes


def became_true(cause: Event, bought: Sequence[QualifyingOrder]) -> datetime:
    """Returns since when what a cause brought about has been true.

    A merge makes nothing newer than the newest order it joins: the orders were this customer's before anybody knew.
    """
    if not isinstance(cause.body, ProfileMerged) or not bought:
        return cause.occurred_at
    return min(cause.occurred_at, max(one.placed_at for one in bought))


def order_placed_by(event: Event) -> str | None:
    """Returns the key of the order that an event places, or moves to its customer."""
    body = event.body
    if isinstance(body, OrderPlaced):
        return orders.order_key(event)
    if isinstance(body, OrderReassigned) and event.profile_id == body.to_profile:
        return body.to_order
    return None


def _newest(fact: Event) -> tuple[bool, datetime, datetime, UUID]:
    return not fact.historical, fact.occurred_at, fact.received_at, fact.event_id
