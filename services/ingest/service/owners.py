"""Whose orders are: shops say it with the order, and speak of its refunds and parcels without it."""

from collections.abc import Mapping, Sequence

from services.ingest.domain.errors import BadEvent
from services.ingest.domain.payload import Payload, meaning, orders_of_nobody
from services.ingest.domain.reception import Reception
from services.ingest.domain.source import Source
from services.ingest.repository import owners as repository
from services.ingest.service.taking import Sorted
from shared.contracts import wire
from shared.contracts.events import OrderPlaced
from shared.contracts.identity import Identity
from shared.db import Work

Owners = Mapping[str, Sequence[Identity]]


async def needed(work: Work, source: Source, payload: Payload, reception: Reception) -> Owners:
    """The owners of the orders that a webhook speaks of without saying whose they are, as far as they are known."""
    try:
        orders = orders_of_nobody(meaning(payload, reception, source.format, source.mapper))
    except BadEvent:
        return {}  # it will be refused, and say why
    return await repository.find(work, source.id, orders) if orders else {}


def told(done: Sorted) -> dict[str, tuple[Identity, ...]]:
    """Whom the orders are of that were placed by these events."""
    events = [wire.decode(message.headers, message.value) for message in done.accepted]
    return {event.body.order_id: event.identities for event in events if isinstance(event.body, OrderPlaced)}


async def remember(work: Work, source: Source, owners: Owners) -> None:
    """Keeps whom orders are of."""
    await repository.save(work, source.id, owners)
