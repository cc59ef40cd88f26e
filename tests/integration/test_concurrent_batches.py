"""Batches of several partitions that touch the same customers at once wait for each other, and never deadlock."""

import asyncio
import importlib
import itertools
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from services.segment.service import memberships, segments, timers
from shared.audit import Actor
from shared.contracts.changes import ProfileChanged, ProfileMerged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import OrderPlaced
from shared.database.database import Database, Work, sqlstate
from shared.database.patience import LOCK_NOT_AVAILABLE
from shared.kafka.consumer.batch import Handlers
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.events import NOON, event
from tests.support.memberships import fresh, published, stored, told

CUSTOMERS = [UUID(int=n) for n in range(1, 25)]
PARTITIONS = 6
BATCHES = 12
EVENTS = 8


def _changed(customer: UUID, number: int) -> Event:
    body = ProfileChanged(profile_id=customer, version=number, first_seen=NOON, last_seen=NOON)
    return event(body, profile_id=customer, source_kind=SourceKind.SERVICE)


def _merged(loser: UUID, survivor: UUID) -> Event:
    return event(ProfileMerged(loser=loser, survivor=survivor), profile_id=survivor, source_kind=SourceKind.SERVICE)


def _profiles(random: Random, number: int) -> list[Event]:
    """A batch of the topic `profiles`: states, and now and then a merge."""
    found: list[Event] = []
    for _ in range(EVENTS):
        customer = random.choice(CUSTOMERS)
        survivor = UUID(int=customer.int // 2)  # each is merged into one other at most, as profile says it
        merges = random.random() < 0.2 and survivor.int > 0
        found.append(_merged(customer, survivor) if merges else _changed(customer, number))
    return found


def _facts(random: Random, number: int) -> list[Event]:
    """A batch of a topic of facts: orders, and tiers that change."""
    found: list[Event] = []
    for n in range(EVENTS):
        customer = random.choice(CUSTOMERS)
        order = OrderPlaced(order_id=f"{customer}-{number}-{n}", currency="USD", total_minor=50_00)
        tier = TierChanged(
            profile_id=customer, version=number, previous="bronze", current="silver", direction="up", reason=""
        )
        found += [event(order, profile_id=customer), event(tier, profile_id=customer, historical=True)]
    return found


async def _apply(database: Database, handlers: Handlers, events: Sequence[Event]) -> None:
    """As the consumer does: one transaction, a run of events of one handler at a time."""
    wanted = [one for one in events if type(one.body) in handlers]
    async with database.work() as work:
        for handler, run in itertools.groupby(wanted, key=lambda one: handlers[type(one.body)]):
            await handler(work, list(run))


@pytest.mark.parametrize("service", ["segment", "campaign", "feedback"])
async def test_batches_about_the_same_customers_never_deadlock(database_factory: DatabaseFactory, service: str) -> None:
    consumer = importlib.import_module(f"services.{service}.consumer")
    handlers: Handlers = consumer.handlers(b"secret") if service == "campaign" else consumer.HANDLERS
    database = Database(await database_factory(service), application="test", clock=SystemClock())

    async def partition(seed: int) -> None:
        random = Random(seed)
        for number in range(1, BATCHES + 1):
            made = _profiles(random, number) if seed % 2 else _facts(random, number)
            # A batch is of one topic: orders and tiers come in two.
            changes = [one for one in made if isinstance(one.body, TierChanged)]
            for batch in ([one for one in made if not isinstance(one.body, TierChanged)], changes):
                await _apply(database, handlers, batch)

    try:
        async with asyncio.TaskGroup() as tasks:
            for seed in range(PARTITIONS):
                tasks.create_task(partition(seed))
        if service == "campaign":
            async with database.work() as work:
                rows = await work.rows("SELECT profile_id FROM contacts JOIN profile_aliases USING (profile_id)")
            assert rows == [], "a customer who was merged away has a contact"
    finally:
        await database.close()


ORDERED: Final = {"kind": "did", "event": "order_placed", "window": {"within": "PT1M"}}
CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    ORDERED,
    {"kind": "not", "of": ORDERED},
    {"kind": "did", "event": "order_placed", "times": 3},
    {"kind": "tier", "among": ["silver", "gold", "diamond"]},
    {"kind": "all", "of": [{"kind": "segment", "id": "s1"}, {"kind": "segment", "id": "s2"}]},
)
LATER: Final = timedelta(days=1)
PART: Final = 3  # customers a part of a backfill
MARKETER: Final = Actor("marketer", ("segment:write",))


async def test_backfills_timers_and_batches_at_once_neither_deadlock_nor_lose_a_membership(
    database_factory: DatabaseFactory,
) -> None:
    """Orders age, definitions go live amid them, and two processes look at the base."""
    handlers: Handlers = importlib.import_module("services.segment.consumer").HANDLERS
    clock = SystemClock()
    database = Database(await database_factory("segment"), application="test", clock=clock)
    reading = asyncio.Event()

    async def partition(seed: int) -> None:
        random = Random(seed)
        for number in range(1, BATCHES + 1):
            made = _profiles(random, number) if seed % 2 else _facts(random, number)
            ago = timedelta(seconds=59 + random.random())  # so that time turns some of them meanwhile
            await _apply(
                database, handlers, [msgspec.structs.replace(one, occurred_at=clock.now() - ago) for one in made]
            )

    async def define() -> None:
        for number, condition in enumerate(CONDITIONS):
            async with database.work() as work:
                row = await segments.create(
                    work, f"s{number}", name="", description="", document=condition, by=MARKETER
                )
                await segments.publish(work, row.id, revision=row.revision, by=MARKETER)

    async def repeated(step: Callable[[Work], Coroutine[Any, Any, object]]) -> None:
        while not reading.is_set():
            try:
                async with database.work() as work:
                    await step(work)
            except DBAPIError as error:  # the service's loops go on after it, too; a deadlock fails here
                if sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise

    async def flip(work: Work) -> bool:
        return bool(await timers.flip_due(work, work.now) or await memberships.flip_due(work, work.now))

    async def look(work: Work) -> bool:
        return await memberships.backfill(work, limit=PART)

    try:
        async with asyncio.TaskGroup() as tasks:
            for step in (flip, flip, look, look):
                tasks.create_task(repeated(step))
            async with asyncio.TaskGroup() as readers:
                for seed in range(PARTITIONS):
                    readers.create_task(partition(seed))
                readers.create_task(define())
            reading.set()
        await _apply(database, handlers, [_changed(one, BATCHES + 1) for one in CUSTOMERS])  # so that all are met
        for step in (look, flip):
            while await _once(database, step):
                pass
        async with database.work() as work:
            work.now += LATER  # when no order is young any more
            while await flip(work):
                pass
            found = await stored(work)
            assert found == await fresh(work, work.now)
            known = told(await published(work))
            members = {(one, name) for one, of in found.items() for name, state in of.items() if state.member}
            assert {key for key, inside in known.items() if inside and key[0] in found} == members
            assert members
    finally:
        await database.close()


async def _once(database: Database, step: Callable[[Work], Coroutine[Any, Any, bool]]) -> bool:
    async with database.work() as work:
        return await step(work)
