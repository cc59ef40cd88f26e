"""Tags by rule on real PostgreSQL, under what comes in any order and at the same time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.service import intake, tags
from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import OrderCancelled, TagCleared, TagSet
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segment_tags import RULE, follow, have, stated, tag
from tests.integration.test_segments import (
    ANN,
    MARKETER,
    ORDERED,
    at,
    defined,
    fact,
    fold,
    meet,
    members,
    pass_time,
    placed,
)
from tests.support.databases import Databases
from tests.support.events import NOON, days, event
from tests.support.running import eventually

END: Final = NOON + days(61)  # after everything that examples do
ONCE: Final = {**ORDERED, "op": "eq", "times": 1}  # so that a merge, too, may end it
numbers: Final = count()
moments = st.integers(0, 60).map(lambda day: NOON + days(day))
operations = st.tuples(
    st.sampled_from(("order", "order", "cancel", "set", "clear", "merge", "time")), st.integers(0, 2), moments
)


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of segment."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def test_who_sets_a_rule_waits_for_those_who_know_nothing_of_it(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await meet(database, ANN)
    async with asyncio.TaskGroup() as tasks, at(database) as slow:
        await intake.fold(slow, [placed("A-1", NOON)])  # enters, by the rules of before
        setting = tasks.create_task(tag(database, "buyer", RULE))
        await eventually(lambda: waiting(database), lambda found: found)
        assert not setting.done()
    assert await have(database, "buyer") == {ANN}


async def waiting(database: Database) -> bool:
    """Whether somebody waits for who follows rules."""
    async with database.work() as work:
        return bool(await work.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


@pytest.fixture(scope="module")
async def shared(databases: Databases) -> AsyncIterator[Database]:
    """A database of segment with a tag by rule, whose customers each example makes for itself."""
    made = Database(databases.url("segment", await databases.take("segment")), application="test", clock=SystemClock())
    await defined(made, "buyers", ONCE)
    await tag(made, "buyer", RULE)
    yield made
    await made.close()


@settings(max_examples=40)
@given(st.lists(operations, min_size=1, max_size=8), st.randoms(use_true_random=False), st.booleans())
async def test_whatever_happens_members_have_the_tag_and_nobody_else_and_its_facts_say_so_in_any_order(
    shared: Database, done: Sequence[tuple[str, int, datetime]], random: Random, anew: bool
) -> None:
    customers = [UUID(int=next(numbers) + 1_000_000) for _ in range(3)]
    mine = set(customers)
    await meet(shared, *customers)
    merged: set[UUID] = set()
    for what, who, when in done:
        await happen(shared, what, customers[who], customers[(who + 1) % 3], when, merged)
    await pass_time(shared, END)
    if anew:
        async with at(shared, END) as work:
            row = (await tags.one(work, "buyer")).definition
            assert row is not None
            await tags.change(work, "buyer", RULE, revision=row.revision, by=MARKETER)
        await follow(shared, END)
    assert await have(shared, "buyer") & mine == await members(shared, "buyers") & mine

    facts = [one for one in await stated(shared) if one.profile_id in mine]
    random.shuffle(facts)
    for one in facts:  # as they come back through profile
        await fold(shared, one, now=END)
    assert await have(shared, "buyer") & mine == await members(shared, "buyers") & mine
    assert len([one for one in await stated(shared) if one.profile_id in mine]) == len(facts)


async def happen(database: Database, what: str, one: UUID, other: UUID, when: datetime, merged: set[UUID]) -> None:
    """Lets something happen to a customer; it may be older than what happened before."""
    if what == "merge":
        if one in merged or other in merged:
            return
        merged.add(other)
        merge = event(ProfileMerged(loser=other, survivor=one), profile_id=one, source_kind=SourceKind.SERVICE)
        async with at(database, when) as work:
            await intake.follow(work, [merge])
    elif what == "time":
        await pass_time(database, when)
    else:
        await fold(database, told(what, one, when), now=when)


def told(what: str, customer: UUID, when: datetime) -> Event:
    """An event of a shop's server."""
    if what == "order":
        return placed(f"{customer} {when.day % 3}", when, customer)
    if what == "cancel":
        return fact(OrderCancelled(order_id=f"{customer} {when.day % 3}"), customer, when)
    ends = when + timedelta(days=1)
    return fact(TagSet(tag="buyer", expires_at=ends) if what == "set" else TagCleared(tag="buyer"), customer, when)
