"""A customer turns out to be two: both stay as they are until they were read anew, and end as if never one."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from msgspec import structs

from services.segment.repository import rereads
from services.segment.service import intake, memberships, rereading
from services.segment.service.timers import flip_due
from shared.contracts import topics
from shared.contracts.changes import ProfileMerged, ProfileSplit
from shared.contracts.envelope import Event
from shared.contracts.events import OrderCancelled, OrderPlaced, ProductViewed, TagSet
from shared.contracts.history import Position
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segments import ANN, BOB, at, changed, defined, fact, fold, meet
from tests.support.events import NOON, days, event
from tests.support.memberships import agree

CAT: Final = UUID(int=3)
LATER: Final = NOON + days(2)
DEFINED: Final = {
    "loyal": {"kind": "did", "event": "order_placed", "op": "ge", "times": 2, "window": {"within": "P30D"}},
    "viewers": {"kind": "did", "event": "product_viewed", "window": {"within": "P7D"}},
    "quiet": {"kind": "did", "event": "product_viewed", "op": "eq", "times": 0, "window": {"within": "P30D"}},
    "marked": {"kind": "tag", "name": "vip"},
    "best": {"kind": "tier", "among": ["gold", "diamond"]},
}
FACTS: Final[dict[str, str]] = {
    "history": "profile_id, name, at, event_id, properties",
    "occurrences": "profile_id, name, times, kept, first_at, last_at",
    "orders": "profile_id, order_id, facts, counts, currency, net_minor, placed_at",
    "customer_tags": "profile_id, tag, set, expires_at, stamp",
}
DECIDED: Final[dict[str, str]] = {
    "standings": "profile_id, tier, stage, orders, spend_minor, window_spend_minor, last_order_at, due_at",
    "memberships": "profile_id, segment_id, version, member",
}


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """A database of segment with segments that are live."""
    made = await opened(database_factory)
    yield made
    async with made.work() as work:
        await agree(work)
    await made.close()


async def opened(database_factory: DatabaseFactory) -> Database:
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    for name, condition in DEFINED.items():
        await defined(made, name, condition)
    return made


async def rows(database: Database, tables: dict[str, str]) -> dict[str, list[str]]:
    """The rows of these tables as text; of memberships those that are none are left out, as a due time may be."""
    found = {}
    async with database.work() as work:
        for table, columns in tables.items():
            where = "WHERE member" if table == "memberships" else ""
            texts = await work.rows(f"SELECT CAST(ROW({columns}) AS text) AS line FROM {table} {where} ORDER BY 1")
            found[table] = [row.line for row in texts]
    return found


async def told(database: Database) -> list[Event]:
    async with database.work() as work:
        return await work.outbox.waiting(topics.SEGMENTS)


def some_events(chance: random.Random, many: int) -> list[Event]:
    """What Ann and Bob did, each under their own id."""
    found = []
    for n in range(many):
        who, when = chance.choice((ANN, BOB)), NOON - timedelta(hours=chance.randrange(24 * 20))
        body = chance.choice(
            (
                ProductViewed(sku=f"T-{n}"),
                OrderPlaced(order_id=f"O-{n}", currency="USD", total_minor=chance.randrange(1, 900) * 100),
                OrderPlaced(order_id=f"O-{n % 3}", currency="USD", total_minor=5_00),
                OrderCancelled(order_id=f"O-{chance.randrange(many)}"),
                TagSet(tag=chance.choice(("vip", "press"))),
            )
        )
        found.append(fact(body, who, when))
    return found


def renamed(events: Sequence[Event], names: dict[UUID, UUID]) -> list[Event]:
    """The same events, as they are published while these ids mean others."""
    found = []
    for one in events:
        assert one.profile_id is not None
        found.append(structs.replace(one, profile_id=names.get(one.profile_id, one.profile_id)))
    return found


def split(of: UUID = ANN, separated: UUID = BOB) -> Event:
    return event(ProfileSplit(profile_id=of, separated=separated, at=LATER), profile_id=of, at=LATER)


async def take(database: Database, *events: Event) -> None:
    """What the consumer does with events of one kind."""
    async with at(database, LATER) as work:
        await intake.HANDLERS[type(events[0].body)](work, events)


async def read_anew(database: Database, known: Sequence[Event], *, ends: Sequence[Position] = ()) -> int:
    """Does what the loop does, with a history that has these events. Returns how many customers were read."""
    done = 0
    for _ in range(20):
        async with at(database, LATER) as work:
            row = await rereading.claim(work)
        if row is None:
            return done
        async with at(database, LATER) as work:
            if not row.ends:
                await rereading.note_ends(work, row, ends)
                continue
            goes_on = await rereading.has_read(work, row) and await rereading.begin(work, row)
        if not goes_on:
            return done
        for one in known:
            if one.profile_id == row.profile_id:
                async with at(database, LATER) as work:
                    assert await rereading.take(work, row, [one])
        async with at(database, LATER) as work:
            done += await rereading.finish(work, row)
    raise AssertionError("there is always one more to read")


@pytest.mark.parametrize("seed", range(6))
async def test_who_was_one_ends_as_if_they_had_always_been_two(
    database: Database, database_factory: DatabaseFactory, seed: int
) -> None:
    chance = random.Random(seed)
    events, late = some_events(chance, 24), some_events(chance, 5)
    await meet(database, ANN)
    one = {BOB: ANN}
    if seed % 2:  # they were two already, and one said that they are one
        await meet(database, BOB)
        merge = event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN)
        await fold(database, *events[:9])
        await take(database, merge)
        await fold(database, *renamed(events[9:], one))
    else:
        await fold(database, *renamed(events, one))
    before = await rows(database, DECIDED)

    await take(database, split())
    await take(database, changed(ANN, 2), changed(BOB, 2))
    await take(database, *late)
    async with at(database, LATER) as work:
        assert await flip_due(work, LATER + days(90)) == 0
        assert await memberships.flip_due(work, LATER + days(90)) == 0
    stands = await rows(database, DECIDED)
    assert [line for line in stands["standings"] if str(ANN) in line] == before["standings"]
    assert stands["memberships"] == before["memberships"]

    history = [*events, *late]
    assert await read_anew(database, history) == 2

    fresh = await opened(database_factory)
    await take(fresh, changed(ANN, 2), changed(BOB, 2))
    await take(fresh, *history)
    assert await rows(database, FACTS) == await rows(fresh, FACTS)
    assert await rows(database, DECIDED) == await rows(fresh, DECIDED)
    await fresh.close()


async def test_what_a_split_changes_is_told_as_history(database: Database) -> None:
    orders = [fact(OrderPlaced(order_id=f"O-{n}", currency="USD", total_minor=1_000), BOB, NOON) for n in range(2)]
    await meet(database, ANN)
    await fold(database, *renamed(orders, {BOB: ANN}))
    seen = len(await told(database))

    await take(database, split())
    assert len(await told(database)) == seen
    await take(database, changed(ANN, 2), changed(BOB, 2))
    await read_anew(database, orders)

    new = (await told(database))[seen:]
    assert {(type(one.body).__name__, one.profile_id) for one in new} >= {
        ("SegmentExited", ANN),
        ("SegmentEntered", BOB),
        ("StageChanged", ANN),
        ("StageChanged", BOB),
    }
    assert {one.historical for one in new} == {True}


async def test_the_name_of_who_was_separated_is_their_own_again(database: Database) -> None:
    await meet(database, ANN, BOB)
    await take(database, event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN))
    await take(database, split())
    await read_anew(database, [])

    await fold(database, fact(ProductViewed(sku="T-1"), BOB, NOON))
    async with database.work() as work:
        [row] = await work.rows("SELECT profile_id FROM history")
    assert row.profile_id == BOB


async def test_nothing_is_deleted_before_all_was_read_that_came_under_the_old_name(database: Database) -> None:
    view = fact(ProductViewed(sku="T-1"), ANN, NOON)
    await meet(database, ANN)
    await fold(database, view)
    await take(database, split())
    ends = [Position({0: 7}), *(Position() for _ in range(topics.PARTITIONS - 1))]

    assert await read_anew(database, [], ends=ends) == 0
    assert len((await rows(database, FACTS))["history"]) == 1
    async with database.work() as work:
        await work.run(
            "INSERT INTO stream_marks (topic, partition, origin, sequence) VALUES (:topic, 0, 0, 7)",
            topic=topics.PROFILE_EVENTS,
        )
        await work.run("UPDATE rereads SET held_until = NULL")

    assert await read_anew(database, [view], ends=ends) == 2
    assert len((await rows(database, FACTS))["history"]) == 1


async def test_an_attempt_that_another_overtook_goes_no_further(database: Database) -> None:
    await meet(database, ANN)
    await take(database, split())
    async with at(database, LATER) as work:
        first = await rereading.claim(work)
        assert first is not None
        await rereading.note_ends(work, first, [])
    async with at(database, LATER) as work:
        assert await rereading.begin(work, first)
    await take(database, split())  # once more, by another word of profile's

    async with at(database, LATER) as work:
        assert not await rereading.take(work, first, [])
        assert not await rereading.finish(work, first)
        assert await rereads.among(work, [ANN, BOB]) == {ANN, BOB}


async def test_a_merge_has_the_survivor_read_anew(database: Database) -> None:
    view = fact(ProductViewed(sku="T-1"), BOB, NOON)
    await meet(database, ANN, CAT)
    await take(database, split())
    await take(database, event(ProfileMerged(loser=BOB, survivor=CAT), profile_id=CAT))
    async with database.work() as work:
        assert {row.profile_id for row in await work.rows("SELECT profile_id FROM rereads")} == {ANN, CAT}

    assert await read_anew(database, renamed([view], {BOB: CAT})) == 2
    [line] = (await rows(database, FACTS))["history"]
    assert str(CAT) in line


async def test_a_new_definition_finds_them_once_they_were_read(database: Database) -> None:
    view: Any = fact(ProductViewed(sku="T-1"), BOB, NOON)
    await meet(database, ANN)
    await fold(database, *renamed([view], {BOB: ANN}))
    await take(database, split())
    await take(database, changed(ANN, 2), changed(BOB, 2))
    await defined(database, "seers", {"kind": "did", "event": "product_viewed", "window": {"within": "P30D"}}, LATER)
    members = "SELECT profile_id FROM memberships WHERE segment_id = 'seers' AND member"
    async with database.work() as work:
        assert await work.rows(members) == []

    await read_anew(database, [view])
    async with database.work() as work:
        assert [row.profile_id for row in await work.rows(members)] == [BOB]
