"""What happens in the benchmark of segments: customers, what they do, and a service that takes it in."""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from rich.console import Console

from deploy.local.placement import remove_data
from deploy.local.postgres import Postgres
from deploy.local.process import free_port
from services.segment.service import intake, memberships, policies, scores, segments, timers
from shared.audit import Actor
from shared.contracts import wire
from shared.contracts.changes import ProfileChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, CustomEvent, OrderPlaced
from shared.database.database import SESSION, Database, Work
from shared.kafka.decoding import decode
from shared.service.clock import SystemClock
from tests.bench.segments import CITIES, EVENTS, definitions
from tests.support.databases import Databases

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
BATCH: Final = 500
BATCH_SECONDS: Final = 5
EVENTS_A_CUSTOMER: Final = 10
MARKETER: Final = Actor("bench", ("segment:write",))
console: Final = Console()

Record = tuple[list[tuple[str, bytes]], bytes]


def customer(n: int) -> UUID:
    """Returns the id of a customer by number: spread as real ids are."""
    return UUID(int=random.Random(n).getrandbits(128))


def fact(n: int, randomness: random.Random, customers: int, at: datetime) -> Event:
    """Returns an event of one of so many customers."""
    name = EVENTS[randomness.randrange(len(EVENTS))]
    body: Body = CustomEvent(name=name, properties={"sku": f"T-{n % 100}", "price": n % 50})
    if name == "order_placed":
        body = OrderPlaced(order_id=f"O-{n}", currency="USD", total_minor=1_000 + n % 10_000)
    return Event(
        event_id=UUID(int=randomness.getrandbits(128)),
        source_id=str(UUID(int=1)),
        source_kind=SourceKind.SERVER,
        occurred_at=at,
        received_at=at,
        body=body,
        profile_id=customer(randomness.randrange(customers)),
        origin=0,
        sequence=n,
    )


def changed(n: int, version: int = 1) -> Event:
    """Returns how a customer is, by number."""
    randomness = random.Random(n)
    profile_id = customer(n)
    traits = {"city": CITIES[randomness.randrange(len(CITIES))], "age": randomness.randrange(18, 80)}
    orders = randomness.randrange(6)
    body = ProfileChanged(
        profile_id=profile_id,
        version=version,
        first_seen=NOW - timedelta(days=90),
        last_seen=NOW,
        traits=traits,
        orders=orders,
        spend_minor={"USD": orders * 2_500} if orders else {},
    )
    return Event(
        event_id=UUID(int=randomness.getrandbits(128)),
        source_id=str(UUID(int=2)),
        source_kind=SourceKind.SERVICE,
        occurred_at=NOW,
        received_at=NOW,
        body=body,
        profile_id=profile_id,
    )


async def define(database: Database, many: int) -> None:
    """Publishes this many segments; the base, which is empty, is looked at by each."""
    async with database.work() as work:
        for segment_id, condition in definitions(many):
            row = await segments.create(
                work, segment_id, name=segment_id, description="", document=condition, by=MARKETER
            )
            await segments.publish(work, segment_id, revision=row.revision, by=MARKETER)
    while True:
        async with database.work() as work:
            if not await memberships.backfill(work):
                return


async def meet(database: Database, customers: int) -> None:
    """Makes the customers known."""
    for start in range(0, customers, BATCH):
        async with database.work() as work:
            work.now = NOW
            await intake.follow(work, [changed(n) for n in range(start, min(start + BATCH, customers))])


def past(customers: int) -> list[Record]:
    """Returns what customers did in the 30 days before, in order."""
    randomness = random.Random(6)
    many = customers * EVENTS_A_CUSTOMER
    seconds = sorted(randomness.randrange(30 * 86_400) for _ in range(many))
    begin = NOW - timedelta(days=30)
    return [wire.encode(fact(n, randomness, customers, begin + timedelta(seconds=at))) for n, at in enumerate(seconds)]


def present(customers: int) -> list[Record]:
    """Returns what happens now: a batch in as many seconds as `BATCH_SECONDS`, two events a customer."""
    randomness = random.Random(7)
    return [
        wire.encode(fact(1_000_000 + n, randomness, customers, NOW + n * timedelta(seconds=BATCH_SECONDS) / BATCH))
        for n in range(customers * 2)
    ]


async def consume(database: Database, records: Sequence[Record]) -> float:
    """Applies records, a batch a transaction at the time of its last; CPU and waiting together, in events a second."""
    started = time.perf_counter()
    for start in range(0, len(records), BATCH):
        batch = [decode(headers, value) for headers, value in records[start : start + BATCH]]
        async with database.work() as work:
            work.now = batch[-1].occurred_at
            await intake.fold(work, batch)
    return len(records) / (time.perf_counter() - started)


async def pass_time(database: Database) -> None:
    """Does all that is due by now."""
    while True:
        async with database.work() as work:
            work.now = NOW
            if not await memberships.flip_due(work, NOW):
                return


async def come_to_rest(database: Database) -> None:
    """Does what is due by the clock, scores the base, and forgets what is to be published: a service that has run."""

    async def scored(work: Work) -> bool:
        return await scores.apply(work, work.now) is not None

    async def all_of(step: Callable[[Work], Awaitable[Any]]) -> None:
        while True:
            async with database.work() as work:
                if not await step(work):
                    return

    async with database.work() as work:
        await scores.take(work, work.now)
    await all_of(scored)
    await all_of(lambda work: timers.flip_due(work, work.now))
    await all_of(lambda work: memberships.flip_due(work, work.now))
    async with database.work() as work:
        await work.run("DELETE FROM outbox")


class World:
    """A PostgreSQL server of the benchmark's own, and a database each time one is asked for."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.server = Postgres(home, free_port(), durable=False)
        self.databases = Databases(self.server)
        self._made: list[Database] = []
        self.url = ""  # of the last database

    async def database(self) -> Database:
        """Returns a database of segment, as new, whose statements may take long."""
        name = await self.databases.take("segment")
        self.url = self.databases.url("segment", name)
        patient = {**SESSION, "transaction_timeout": "0", "statement_timeout": "0"}
        made = Database(
            self.url,
            application="bench",
            clock=SystemClock(),
            session=patient,
            command_timeout_seconds=600,
        )
        async with made.work() as work:
            await policies.publish(work)
        self._made.append(made)
        return made

    async def close(self) -> None:
        """Stops everything."""
        for one in self._made:
            await one.close()
        await self.server.stop()
        remove_data(self._home)
