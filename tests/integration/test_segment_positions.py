"""Answers that must not be older than an event, on real PostgreSQL: 425 until the event has been read."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx2

from shared.contracts.envelope import Event
from shared.contracts.events import ProductViewed
from shared.contracts.topics import PARTITIONS, PROFILE_EVENTS
from shared.database.database import Database
from shared.kafka.consumer.offsets import Place, doubtful
from shared.kafka.producer import key_place
from tests.conftest import DatabaseFactory
from tests.integration.test_segments import ANN, BOB, ORDERED
from tests.support.applications import asking, build, token
from tests.support.events import event

ORIGIN = 3


def viewed(customer: UUID, sequence: int) -> Event:
    return event(ProductViewed(sku="T-1"), profile_id=customer, origin=ORIGIN, sequence=sequence)


async def read(database: Database, *events: Event) -> None:
    """Has the consumer read these, in the partitions of their customers."""
    for one in events:
        assert one.profile_id is not None
        place = Place("cluster", 1, PROFILE_EVENTS, key_place(one.profile_id.bytes, PARTITIONS).partition)
        async with database.work() as work:
            await doubtful(work.connection, place, [one])


def asker(client: httpx2.AsyncClient) -> Callable[..., Awaitable[httpx2.Response]]:
    async def ask(*customers: UUID, after: Any) -> httpx2.Response:
        body = {"condition": ORDERED, "profile_ids": [str(one) for one in customers], "after": after}
        return await client.post("/v1/conditions/evaluate", json=body)

    return ask


def position(sequence: int, customer: UUID | None = None) -> dict[str, Any]:
    found = {"origin": ORIGIN, "sequence": sequence}
    return found if customer is None else {**found, "profile_id": str(customer)}


async def test_an_answer_waits_for_the_events_that_it_must_know_of(database_factory: DatabaseFactory) -> None:
    service = build("segment", await database_factory("segment"))
    async with asking(service, token(scope="segment:read")) as client:
        ask = asker(client)
        before = await ask(ANN, after=[position(7)])
        await read(service.database, viewed(ANN, 6))
        behind = await ask(ANN, after=[position(7)])
        await read(service.database, viewed(ANN, 7))
        read_now = await ask(ANN, after=[position(7), position(2)])
        # Bob's events lie in another partition: how far Ann's is read says nothing of them.
        other = await ask(ANN, BOB, after=[position(7, ANN), position(5, BOB)])
        await read(service.database, viewed(BOB, 5))
        both = await ask(ANN, BOB, after=[position(7, ANN), position(5, BOB)])
        unclear = await ask(ANN, BOB, after=[position(7)])

    assert [one.status_code for one in (before, behind, other)] == [425, 425, 425]
    assert before.headers["Retry-After"] == "1"
    assert before.headers["Content-Type"] == "application/problem+json"
    assert before.json()["type"].endswith("not-read-yet")
    assert [one.status_code for one in (read_now, both)] == [200, 200]
    assert read_now.json() == {"answers": [{"profile_id": str(ANN), "answer": False}]}
    assert unclear.status_code == 422
    assert "after/0/profile_id" in unclear.json()["detail"]
