"""Backfills amid events, merges and passing time: in the end everybody is where a fresh evaluation puts them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.conditions.document import InvalidCondition
from services.segment.repository import segments as stored_segments
from services.segment.service import intake, memberships, segments, timers
from shared.audit import Actor
from shared.contracts.changes import ProfileChanged, ProfileMerged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import OrderCancelled, OrderPlaced, ProductViewed, TagCleared, TagSet
from shared.database import aliases
from shared.database.database import Database, Work
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.databases import Databases
from tests.support.events import NOON, event
from tests.support.examples import at_least
from tests.support.memberships import fresh, published, rebuilt, stored, told
from tests.support.running import eventually

CUSTOMERS: Final = [UUID(int=n + 1) for n in range(5)]
MARKETER: Final = Actor("marketer", ("segment:write",))
NAMES: Final = ("a", "b", "c")
STEPS: Final = 40
PART: Final = 2  # customers a part of a backfill

ORDERED: Final = {"kind": "did", "event": "order_placed", "window": {"within": "P1D"}}
TEA: Final = [{"property": "category", "value": "tea"}]
LEFT: Final = {
    "kind": "absence",
    "first": {"event": "product_viewed", "where": TEA},
    "without": {"event": "order_placed"},
    "within": "PT1H",
    "window": {"within": "P1D"},
}
BERLIN: Final = {"kind": "trait", "name": "city", "op": "eq", "value": "Berlin"}
CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    ORDERED,
    {"kind": "not", "of": ORDERED},
    {**ORDERED, "times": 2},
    LEFT,
    BERLIN,
    {"kind": "tag", "name": "vip"},
    {"kind": "any", "of": [LEFT, {"kind": "all", "of": [BERLIN, {"kind": "tag", "name": "vip"}]}]},
    {"kind": "tier", "among": ["silver", "gold"]},
    {"kind": "stage", "among": ["new", "prospect"]},
    {"kind": "moment", "of": "first_seen", "op": "within", "value": "PT1H"},
)
SPANS: Final = [timedelta(seconds=s) for s in (1, 3_599, 3_600, 40_000, 86_400, 20 * 86_400)]


class Story:
    """A shop's days, as one transaction whose clock a test moves."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.work.now = NOON
        self.orders = 0
        self.version = 0

    async def met(self, customer: UUID) -> None:
        """Profile says how a customer is."""
        await self._changed(customer)

    async def moved(self, customer: UUID, city: str) -> None:
        """A customer lives somewhere else."""
        await self._changed(customer, traits={"city": city})

    async def _changed(self, customer: UUID, **fields: Any) -> None:
        self.version += 1
        body = ProfileChanged(profile_id=customer, version=self.version, first_seen=NOON, last_seen=NOON, **fields)
        await intake.follow(self.work, [self._told(body, customer)])

    async def merged(self, loser: UUID, survivor: UUID) -> None:
        """Two customers turn out to be one."""
        found = await aliases.canonical(self.work, [loser, survivor])
        if found[loser] != found[survivor]:
            body = ProfileMerged(loser=found[loser], survivor=found[survivor])
            await intake.follow(self.work, [self._told(body, found[survivor])])

    async def ordered(self, customer: UUID, before: timedelta, cents: int) -> None:
        """A customer ordered, now or some time ago."""
        self.orders += 1
        body = OrderPlaced(order_id=f"o{self.orders}", currency="USD", total_minor=cents)
        await self._fact(body, customer, before)

    async def cancelled(self, customer: UUID) -> None:
        """The newest order of all is cancelled, be it this customer's or not."""
        await self._fact(OrderCancelled(order_id=f"o{self.orders}"), customer, timedelta())

    async def viewed(self, customer: UUID, before: timedelta, category: str) -> None:
        """A customer looked at a product."""
        await self._fact(ProductViewed(sku="s", category=category), customer, before)

    async def tagged(self, customer: UUID, lasts: timedelta | None) -> None:
        """A customer gets a tag, for a while or for ever."""
        ends = None if lasts is None else self.work.now + lasts
        await self._fact(TagSet(tag="vip", expires_at=ends), customer, timedelta())

    async def untagged(self, customer: UUID) -> None:
        """A customer loses the tag."""
        await self._fact(TagCleared(tag="vip"), customer, timedelta())

    async def _fact(self, body: Any, customer: UUID, before: timedelta) -> None:
        await intake.fold(self.work, [event(body, profile_id=customer, at=self.work.now - before)])

    async def passed(self, span: timedelta) -> None:
        """Time passes, and nobody has noticed yet."""
        self.work.now += span

    async def flipped(self) -> None:
        """The timers look once."""
        now: datetime = self.work.now
        await timers.flip_due(self.work, now) or await memberships.flip_due(self.work, now)

    async def published(self, name: str, condition: int, other: str | None) -> None:
        """A definition goes live: a new one, or another one for what is live, perhaps about another segment."""
        document = CONDITIONS[condition]
        if other is not None:
            document = {"kind": "any", "of": [document, {"kind": "segment", "id": other}]}
        with suppress(InvalidCondition):  # about itself, or about what is not live
            await self._publish(name, document)

    async def _publish(self, name: str, document: Any) -> None:
        work = self.work
        row = await stored_segments.one(work, name)
        if row is None:
            row = await segments.create(work, name, name=name, description="", document=document, by=MARKETER)
        else:
            row = await segments.change(
                work, name, revision=row.revision, name=name, description="", document=document, by=MARKETER
            )
        await segments.publish(work, name, revision=row.revision, by=MARKETER)

    async def looked_at_a_part(self) -> None:
        """The backfill does its next part."""
        await memberships.backfill(self.work, limit=PART)

    async def rested(self) -> None:
        """All who are not met are, and all that waits is done."""
        met = {row.profile_id for row in await self.work.rows("SELECT profile_id FROM customers")}
        for row in await self.work.rows("SELECT profile_id FROM standings ORDER BY profile_id"):
            if row.profile_id not in met:
                await self.met(row.profile_id)
        while await memberships.backfill(self.work, limit=PART):
            pass
        now = self.work.now
        while await timers.flip_due(self.work, now) or await memberships.flip_due(self.work, now):
            pass

    @staticmethod
    def _told(body: Any, customer: UUID) -> Event:
        return event(body, profile_id=customer, source_kind=SourceKind.SERVICE)


Step = tuple[str, tuple[Any, ...]]


def steps(chance: Random) -> Iterator[Step]:
    """Some customers, some definitions, and what happens then: so dense that it meets."""
    for one in chance.sample(CUSTOMERS, 3):
        yield "met", (one,)
    for name in NAMES[:2]:
        yield _published(chance, name)
    for _ in range(STEPS):
        yield _any(chance)


def _any(chance: Random) -> Step:
    who = chance.choice(CUSTOMERS)
    span, ago = chance.choice(SPANS), chance.choice((timedelta(), timedelta(), *SPANS))
    weighted: list[tuple[int, Step]] = [
        (2, _published(chance, chance.choice(NAMES))),
        (5, ("looked_at_a_part", ())),
        (4, ("passed", (span,))),
        (3, ("flipped", ())),
        (1, ("met", (who,))),
        (2, ("moved", (who, chance.choice(("Berlin", "Paris"))))),
        (1, ("merged", (who, chance.choice(CUSTOMERS)))),
        (4, ("ordered", (who, ago, chance.choice((10_00, 150_00, 900_00))))),
        (1, ("cancelled", (who,))),
        (4, ("viewed", (who, ago, chance.choice(("tea", "tea", "coffee"))))),
        (2, ("tagged", (who, chance.choice((None, span))))),
        (1, ("untagged", (who,))),
    ]
    return chance.choices([step for _, step in weighted], [weight for weight, _ in weighted])[0]


def _published(chance: Random, name: str) -> Step:
    other = chance.choice((None, None, *NAMES))
    return "published", (name, chance.randrange(len(CONDITIONS)), other)


class _Undone(Exception):
    """Rolls an example back."""


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A database of segment, in which no example keeps rows."""
    name = await databases.take("segment")
    made = Database(databases.url("segment", name), application="test", clock=SystemClock())
    yield made
    await made.close()
    await databases.give_back("segment", name)


@settings(max_examples=at_least(25))
@given(chance=st.randoms(use_true_random=True))
async def test_backfills_amid_events_and_time_end_where_a_fresh_evaluation_does(
    database: Database, chance: Random
) -> None:
    """At every moment, too, a rebuild would leave all as it is."""
    told_so_far = list[Step]()
    with suppress(_Undone):
        async with database.work() as work:
            story = Story(work)
            for name, parts in steps(chance):
                told_so_far.append((name, parts))
                await getattr(story, name)(*parts)
                assert await rebuilt(work, work.now) == await stored(work), told_so_far
            await story.rested()

            found = await stored(work)
            assert found == await fresh(work, work.now), told_so_far
            known = told(await published(work))
            members = {(one, name) for one, of in found.items() for name, state in of.items() if state.member}
            assert {key for key, inside in known.items() if inside and key[0] in found} == members, told_so_far
            raise _Undone


async def _publish_buyers(database: Database) -> None:
    async with database.work() as work:
        row = await segments.create(work, "buyers", name="", description="", document=ORDERED, by=MARKETER)
        await segments.publish(work, row.id, revision=row.revision, by=MARKETER)


async def _look_at_all(database: Database) -> None:
    more = True
    while more:
        async with database.work() as work:
            more = await memberships.backfill(work)


async def test_a_customer_whom_a_batch_makes_while_a_segment_goes_live_is_looked_at(
    database_factory: DatabaseFactory,
) -> None:
    database = Database(await database_factory("segment"), application="test", clock=SystemClock())
    customer = CUSTOMERS[0]

    async def waits() -> bool:
        async with database.work() as work:
            return looking.done() or bool(await work.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

    try:
        async with asyncio.TaskGroup() as tasks, database.work() as batch:
            placed = OrderPlaced(order_id="o", currency="USD", total_minor=1)
            await intake.fold(batch, [event(placed, profile_id=customer, at=batch.now)])
            await _publish_buyers(database)
            looking = tasks.create_task(_look_at_all(database))
            await eventually(waits, bool)
        async with database.work() as work:
            assert [row.profile_id for row in await segments.members(work, "buyers", after=None, limit=9)] == [customer]
    finally:
        await database.close()


async def test_of_two_processes_one_looks_at_the_base(database_factory: DatabaseFactory) -> None:
    database = Database(await database_factory("segment"), application="test", clock=SystemClock())
    try:
        await _publish_buyers(database)
        async with database.work() as one, database.work() as other:
            assert await memberships.backfill(one)
            assert not await memberships.backfill(other)
        await _look_at_all(database)
        async with database.work() as work:
            assert await stored_segments.backfills(work) == []
    finally:
        await database.close()
