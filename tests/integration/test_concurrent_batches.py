"""Batches of several partitions that touch the same customers at once wait for each other, and never deadlock."""

import asyncio
import importlib
import itertools
from collections.abc import Sequence
from random import Random
from uuid import UUID

import pytest

from shared.contracts.changes import ProfileChanged, ProfileMerged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import OrderPlaced
from shared.database.database import Database
from shared.kafka.consumer.batch import Handlers
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.events import NOON, event

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
    handlers: Handlers = importlib.import_module(f"services.{service}.consumer").HANDLERS
    database = Database(await database_factory(service), application="test", clock=SystemClock())

    async def partition(seed: int) -> None:
        random = Random(seed)
        for number in range(1, BATCHES + 1):
            made = _profiles(random, number) if seed % 2 else _facts(random, number)
            await _apply(database, handlers, made)

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
