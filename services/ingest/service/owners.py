"""Whose orders are: looked up before a delivery is judged, and kept once a delivery names the customer."""

from collections.abc import Collection, Sequence
from uuid import UUID

from services.ingest.domain.catalogue.parts import MAX_ID_LENGTH
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.errors import BadEvent
from services.ingest.domain.payload import Payload, meaning
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.request.owners import NOBODYS, Owner, Owners, orders_of_nobody
from services.ingest.repository import owners as repository
from services.ingest.service.triage import TriageResult
from shared.contracts.events import OrderPlaced
from shared.database.database import Work


async def needed(work: Work, source: Source, payload: Payload, context: RequestContext) -> Owners:
    """Returns the known owners of those orders that a webhook is about without naming the customer."""
    try:
        orders = orders_of_nobody(meaning(payload, context, source.format, source.mapper).messages)
    except BadEvent:
        return NOBODYS  # the triage refuses it, and says why
    return await repository.find(work, source.id, source.id_space, orders) if orders else NOBODYS


async def known(work: Work, source: Source, names: Collection[str]) -> Collection[str]:
    """Returns those of these orders whose customers are known."""
    return (await repository.find(work, source.id, source.id_space, sorted(names))).keys()


async def waiting(work: Work, source: Source, names: Sequence[str]) -> Sequence[UUID]:
    """Returns refused payloads that wait for the customers of these orders."""
    return await repository.waiting(work, source.id, source.id_space, names)


def stated(done: TriageResult) -> Owners:
    """Returns the owners of the orders that these events placed, by each name of the order."""
    placed = {
        event.body.order_id: Owner(event.body.order_id, event.identities)
        for event in done.events
        if isinstance(event.body, OrderPlaced)
    }
    also_known = {name: order for name, order in done.also_known.items() if len(name) <= MAX_ID_LENGTH}
    nobodys = {order: Owner(order, ()) for order in done.nobodys if len(order) <= MAX_ID_LENGTH}
    return {**nobodys, **{name: placed[order] for name, order in also_known.items() if order in placed}, **placed}


async def remember(work: Work, source: Source, owners: Owners) -> None:
    """Keeps the owners of orders."""
    await repository.save(work, source.id, owners)
