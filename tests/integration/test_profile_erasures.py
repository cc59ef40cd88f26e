"""A customer is erased: nothing of them stays at profile, nobody else loses anything, and later events begin anew."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from services.profile.models import Base
from services.profile.repository import erasures
from services.profile.service import erasing, read, splitting
from services.profile.service.read import UnknownProfile
from services.profile.service.splitting import NotApart, SplitRequest
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.changes import OrderReassigned, ProfileErased
from shared.contracts.envelope import SourceKind
from shared.contracts.events import ConsentChanged, CustomerIdentified, CustomEvent
from shared.database.database import Database
from shared.errors import Unavailable
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_profile_service import (
    anonymous,
    dump,
    empty,
    mail,
    merged,
    published,
    some_events,
    take,
    view,
)
from tests.integration.test_profile_splits import as_the_record_has_it, events_of, orders_of, who
from tests.support.events import NOON, event, order, user

CLERK: Final = Actor("clerk", ("profile:admin",))
LEAVES_BY_ITSELF: Final = ("outbox", "published")  # on their way to the broker
CANARY: Final = "canary"


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def erase(database: Database, ref: str) -> UUID:
    """Erases a customer, as the API does."""
    async with database.work() as work:
        erased, _ = await erasing.erase(work, ref, CLERK)
    return erased.canonical_id


async def tables_with(database: Database, *words: str) -> set[str]:
    """The tables of which some row holds one of these words anywhere."""
    found: set[str] = set()
    async with database.work() as work:
        for name in Base.metadata.tables:
            if name in LEAVES_BY_ITSELF:
                continue
            rows = await work.rows(
                f"SELECT 1 FROM {name} AS t WHERE CAST(to_jsonb(t) AS text) LIKE ANY(CAST(:words AS text[])) LIMIT 1",
                words=[f"%{word}%" for word in words],
            )
            if rows:
                found.add(name)
    return found


async def test_no_table_holds_anything_of_a_customer_who_was_erased_and_nobody_else_loses_anything(
    database: Database,
) -> None:
    nobody_elses = order("bob", "B-1"), view("/tea", user("bob"), anonymous("phone of bob"))
    await take(database, nobody_elses)
    before = await dump(database)
    identified = CustomerIdentified(traits={f"{CANARY} trait": f"{CANARY} value", "birthday": "1990-05-17"})
    agreed = ConsentChanged(channel="email", purpose="marketing", granted=True, evidence={"page": f"/{CANARY}"})
    await take(
        database,
        [
            event(identified, user(f"{CANARY}-1"), mail(CANARY)),
            event(agreed, user(f"{CANARY}-1")),
            order(f"{CANARY}-1", f"{CANARY}-A"),
            order(f"{CANARY}-2", f"{CANARY}-B"),
            view(f"/{CANARY}", anonymous(f"phone of {CANARY}"), user(f"{CANARY}-2")),
            merged(user(f"{CANARY}-1"), user(f"{CANARY}-2")),
        ],
    )
    # Refused: a line of the log names both customers.
    await take(database, [view("/", user(f"{CANARY}-1"), anonymous("phone of bob"))])
    async with database.work() as work:
        ids = [row.profile_id for row in await work.rows("SELECT DISTINCT profile_id FROM timeline")]
        bob = await read.resolve(work, "user_id:bob")
    theirs = [one for one in ids if one != bob]
    kept = await tables_with(database, CANARY)
    assert kept >= {"timeline", "profiles", "identities", "identity_log", "orders", "counts"}

    gone = await erase(database, f"user_id:{CANARY}-2")

    assert await tables_with(database, CANARY) == set()
    assert [gone] == theirs
    # The id alone stays: that there was somebody, that they are erased, by whom, and as whom a former id was known.
    assert await tables_with(database, str(gone)) <= {"identity_log", "erasures", "audit_log", "profile_aliases"}
    assert await dump(database) == before
    assert await as_the_record_has_it(database)


def test_every_table_with_a_customers_id_is_emptied_of_them() -> None:
    """Whoever adds a table of customers learns here that an erasure must know it."""
    known = {*erasures.TABLES, "timeline", "identity_log", "erasures", "profile_aliases"}
    assert {name for name, table in Base.metadata.tables.items() if "profile_id" in table.columns} <= known


async def test_a_repeat_of_an_erased_event_is_passed_over_and_a_later_one_begins_a_new_customer(
    database: Database,
) -> None:
    first = [order("ann", "A-1"), view("/tea", user("ann"), anonymous("phone"))]
    await take(database, first)
    ann = await erase(database, "user_id:ann")

    await take(database, first)
    with pytest.raises(UnknownProfile):
        await who(database, "user_id:ann")

    await take(database, [*first, order("ann", "A-2")])
    again = await who(database, "user_id:ann")
    assert again != ann
    assert (await orders_of(database, "user_id:ann"), len(await events_of(database, "user_id:ann"))) == (1, 1)
    with pytest.raises(UnknownProfile):
        await who(database, str(ann))
    assert await as_the_record_has_it(database)


async def test_what_a_service_tells_of_an_erased_customer_is_passed_over_beside_what_is_told_of_others(
    database: Database,
) -> None:
    await take(database, [order("ann", "A-1"), order("bob", "B-1"), order("cat", "C-1", at=NOON - timedelta(days=1))])
    await take(database, [merged(user("ann"), user("cat"))])
    former = await _former_ids(database)
    ann, bob = await erase(database, "user_id:ann"), await who(database, "user_id:bob")
    told = [
        event(CustomEvent(name="Told"), source_kind=SourceKind.SERVICE, profile_id=one) for one in (ann, bob, *former)
    ]

    await take(database, told)

    assert told[1].event_id in await events_of(database, "user_id:bob")
    async with database.work() as work:
        assert len(await work.rows("SELECT 1 FROM timeline")) == 2


async def _former_ids(database: Database) -> list[UUID]:
    async with database.work() as work:
        return [row.profile_id for row in await work.rows("SELECT profile_id FROM profile_aliases")]


async def test_every_service_is_told_once_after_all_that_was_told_of_the_customer(database: Database) -> None:
    await take(database, [order("ann", "A-1")])
    ann = await erase(database, "user_id:ann")
    assert await erase(database, str(ann)) == ann

    told = await published(database, topics.PROFILES)
    assert [one.body for one in told if isinstance(one.body, ProfileErased)] == [ProfileErased(profile_id=ann)]
    assert isinstance(told[-1].body, ProfileErased)
    assert told[-1].historical


async def test_an_order_that_moved_on_from_an_erased_customer_stays_with_whom_it_is_of_now(database: Database) -> None:
    snapshots = [
        order("ann", "A-1", source_version=1),
        order("bob", "A-1", source_version=2),
    ]
    await take(database, snapshots[:1])
    await take(database, snapshots[1:])
    moved = [one for one in await published(database, topics.PROFILE_EVENTS) if isinstance(one.body, OrderReassigned)]

    await erase(database, "user_id:ann")

    assert await orders_of(database, "user_id:bob") == 1
    assert await as_the_record_has_it(database)
    async with database.work() as work:
        left = await work.rows("SELECT profile_id FROM reassignments")
    assert len(left) <= len(moved)


async def test_a_name_that_a_split_moved_to_who_is_erased_is_nobodys(database: Database) -> None:
    """It was bob's, who was merged into ann; ann was parted from it, and must not seem to have it again."""
    await take(database, [order("ann", "A-1"), order("bob", "B-1")])
    await take(database, [view("/", user("bob"), mail("bob"))])
    await take(database, [event(CustomEvent(name="Asked"), mail("bob")), merged(user("ann"), user("bob"))])
    async with database.work() as work:
        asked = SplitRequest(
            profile_id=await read.resolve(work, "user_id:ann"), identities=(("email", "bob@example.com"),)
        )
        await splitting.split(work, asked, CLERK, company_zone="UTC")

    await erase(database, "email:bob@example.com")

    assert await who(database, "user_id:ann") == await who(database, "user_id:bob")
    assert await as_the_record_has_it(database)
    assert "identity_log" not in await tables_with(database, "bob@example.com")


@pytest.mark.parametrize("seed", range(4))
async def test_erasures_beside_batches_merges_and_splits_end_as_the_record_has_it(
    database: Database, seed: int
) -> None:
    """At the same moment, on several connections: nothing waits for ever, and a rebuild finds nothing to mend."""
    chance = random.Random(seed)
    await empty(database)
    events = some_events(chance, count=80)
    batches = [events[n : n + 8] for n in range(0, len(events), 8)]
    await take(database, batches[0])

    async def fold(some: int) -> None:
        for one in batches[1 + some :: 2]:
            await take(database, one)

    async def disturb() -> None:
        for _ in range(6):
            await _erase_or_split_somebody(database, chance)

    await asyncio.gather(fold(0), fold(1), disturb())

    await dump(database)  # which asserts that nothing is left over
    assert await as_the_record_has_it(database)
    async with database.work() as work:
        erased = await work.rows("SELECT t.event_id FROM timeline t JOIN erased_events USING (event_id)")
    assert not erased


async def _erase_or_split_somebody(database: Database, chance: random.Random) -> None:
    async with database.work() as work:
        ids = [row.id for row in await work.rows("SELECT id FROM profiles ORDER BY id")]
        names = await work.rows("SELECT namespace, value, profile_id FROM identities WHERE profile_id IS NOT NULL")
    if not ids:
        return
    one = chance.choice(ids)
    try:
        if chance.random() < 0.5:
            await erase(database, str(one))
            return
        mine = sorted((row.namespace, row.value) for row in names if row.profile_id == one)
        async with database.work() as work:
            asked = SplitRequest(profile_id=await read.resolve(work, str(one)), identities=tuple(mine[:1]))
            await splitting.split(work, asked, CLERK, company_zone="UTC")
    except (Unavailable, UnknownProfile, NotApart):
        return
