"""Segments on real PostgreSQL: defined, published, entered and left by events, time, merges and new definitions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.segment.domain.conditions.document import InvalidCondition
from services.segment.repository.erasures import TABLES
from services.segment.service import housekeeping, intake, memberships, segments
from services.segment.service.erasing import erase
from services.segment.service.programmes import definitions as programmes
from services.segment.service.programmes import overrides
from services.segment.service.programmes.rollout import roll_out
from services.segment.service.segments import SegmentInUse
from services.segment.service.timers import flip_due
from shared.audit import Actor
from shared.contracts import topics, wire
from shared.contracts.changes import ProfileChanged, ProfileErased, ProfileMerged, SegmentEntered, SegmentExited
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, OrderCancelled, OrderPlaced, ProductViewed, TagCleared, TagSet
from shared.database.database import Database, Work
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.events import NOON, days, event
from tests.support.memberships import agree

ANN, BOB = UUID(int=1), UUID(int=2)
MARKETER = Actor("marketer", ("segment:write",))
ORDERED = {"kind": "did", "event": "order_placed", "window": {"within": "P30D"}}
SILENT = {"kind": "not", "of": ORDERED}


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of segment."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    async with made.work() as work:
        await agree(work)
    await made.close()


@asynccontextmanager
async def at(database: Database, now: datetime = NOON) -> AsyncIterator[Work]:
    """One transaction at a moment."""
    async with database.work() as work:
        work.now = now
        yield work


async def defined(database: Database, segment_id: str, condition: Any, now: datetime = NOON) -> None:
    """Creates and publishes a segment; the base is looked at by it."""
    async with at(database, now) as work:
        row = await segments.create(work, segment_id, name=segment_id, description="", document=condition, by=MARKETER)
        await segments.publish(work, segment_id, revision=row.revision, by=MARKETER)
    await backfilled(database, now)


async def redefined(database: Database, segment_id: str, condition: Any, now: datetime) -> None:
    """Gives a segment another condition, in force at once."""
    async with at(database, now) as work:
        row = await segments.one(work, segment_id)
        row = await segments.change(
            work,
            segment_id,
            revision=row.revision,
            name=row.name,
            description="",
            document=condition,
            by=MARKETER,
        )
        await segments.publish(work, segment_id, revision=row.revision, by=MARKETER)
    await backfilled(database, now)


async def backfilled(database: Database, now: datetime) -> None:
    while True:
        async with at(database, now) as work:
            if not await memberships.backfill(work):
                return


def changed(customer: UUID, version: int = 1, **fields: Any) -> Event:
    body = ProfileChanged(profile_id=customer, version=version, first_seen=NOON, last_seen=NOON, **fields)
    return event(body, profile_id=customer, source_kind=SourceKind.SERVICE)


def fact(body: Body, customer: UUID = ANN, when: datetime = NOON) -> Event:
    return event(body, profile_id=customer, at=when)


def placed(order_id: str, when: datetime, customer: UUID = ANN, total_minor: int = 10_00) -> Event:
    return fact(OrderPlaced(order_id=order_id, currency="USD", total_minor=total_minor), customer, when)


async def meet(database: Database, *customers: UUID, now: datetime = NOON) -> None:
    async with at(database, now) as work:
        await intake.follow(work, [changed(one) for one in customers])


async def fold(database: Database, *events: Event, now: datetime = NOON) -> None:
    async with at(database, now) as work:
        await intake.fold(work, events)


async def pass_time(database: Database, now: datetime) -> None:
    """Lets everything that is due by `now` happen."""
    while True:
        async with at(database, now) as work:
            if not (await flip_due(work, now) or await memberships.flip_due(work, now)):
                return


async def turns(database: Database) -> list[tuple[str, UUID, str, str, datetime]]:
    """What was published of memberships: whether entered or left, who, which segment, why, and since when."""
    async with database.work() as work:
        rows = await work.rows(
            "SELECT headers::text AS headers, value FROM outbox WHERE topic = :topic ORDER BY id", topic=topics.SEGMENTS
        )
    found: list[tuple[str, UUID, str, str, datetime]] = []
    for row in rows:
        one = wire.decode([(name, text.encode()) for name, text in msgspec.json.decode(row.headers).items()], row.value)
        if isinstance(one.body, SegmentEntered | SegmentExited):
            kind = "entered" if isinstance(one.body, SegmentEntered) else "left"
            found.append((kind, one.body.profile_id, one.body.segment_id, one.body.cause, one.occurred_at))
    return found


async def members(database: Database, segment_id: str) -> set[UUID]:
    async with database.work() as work:
        return {row.profile_id for row in await segments.members(work, segment_id, after=None, limit=100)}


async def test_an_order_makes_a_customer_enter_and_thirty_days_later_time_makes_them_leave(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await meet(database, ANN, BOB)
    ordered = NOON + days(1)
    await fold(database, placed("A-1", ordered), now=ordered)

    assert await members(database, "buyers") == {ANN}
    assert await turns(database) == [("entered", ANN, "buyers", "event", ordered)]

    await pass_time(database, ordered + days(30) - timedelta(seconds=1))
    assert await members(database, "buyers") == {ANN}
    await pass_time(database, ordered + days(31))
    assert await members(database, "buyers") == set()
    assert (await turns(database))[1:] == [("left", ANN, "buyers", "time", ordered + days(30))]


async def test_what_a_release_before_noted_as_due_is_looked_at_when_it_is(database: Database) -> None:
    await defined(database, "silent", SILENT)
    await meet(database, ANN)
    await fold(database, placed("1", NOON))
    async with at(database) as work:  # it had due times in the rows by segment, and there alone
        await work.run("UPDATE customer_segments SET due_at = NULL")
        await work.run(
            """
            INSERT INTO memberships (profile_id, segment_id, version, member, since, due_at)
            VALUES (:who, 'silent', 1, FALSE, :now, :due)
            """,
            who=ANN,
            now=NOON,
            due=NOON + days(30),
        )

    await pass_time(database, NOON + days(31))

    assert (await turns(database))[-1] == ("entered", ANN, "silent", "time", NOON + days(30))


async def test_who_did_nothing_is_in_a_segment_of_those_who_did_not(database: Database) -> None:
    await meet(database, ANN)
    await defined(database, "silent", SILENT, NOON + days(1))
    await meet(database, BOB, now=NOON + days(2))

    assert await members(database, "silent") == {ANN, BOB}
    assert [one[:4] for one in await turns(database)] == [
        ("entered", ANN, "silent", "defined"),
        ("entered", BOB, "silent", "event"),
    ]


async def test_a_new_version_is_the_cause_of_what_it_changes_and_of_nothing_else(database: Database) -> None:
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON), placed("B-1", NOON, BOB, total_minor=500_00))
    await defined(database, "spenders", ORDERED, NOON + days(1))
    rich = {
        "kind": "measure",
        "event": "order_placed",
        "by": "sum",
        "of": "total_minor",
        "op": "ge",
        "value": 100_00,
        "where": [{"property": "currency", "value": "USD"}],
        "window": {"within": "P30D"},
    }
    await redefined(database, "spenders", rich, NOON + days(2))

    assert await members(database, "spenders") == {BOB}
    assert (await turns(database))[2:] == [("left", ANN, "spenders", "redefined", NOON + days(2))]


async def test_a_cancelled_order_never_was_and_a_cart_that_is_left_is_noticed_by_time(database: Database) -> None:
    left = {
        "kind": "absence",
        "first": {"event": "product_viewed", "where": [{"property": "category", "value": "tea"}]},
        "without": {"event": "order_placed"},
        "within": "PT1H",
        "window": {"within": "P7D"},
    }
    await defined(database, "left", left)
    await defined(database, "buyers", ORDERED)
    await meet(database, ANN, BOB)
    viewed = ProductViewed(sku="T-1", category="tea")
    await fold(database, fact(viewed), fact(viewed, BOB), placed("B-1", NOON + timedelta(minutes=5), BOB))
    await fold(database, fact(OrderCancelled(order_id="B-1"), BOB, NOON + timedelta(minutes=9)))
    await pass_time(database, NOON + timedelta(hours=2))

    assert await members(database, "left") == {ANN, BOB}
    assert await members(database, "buyers") == set()
    assert [one for one in await turns(database) if one[2] == "left"] == [
        ("entered", ANN, "left", "time", NOON + timedelta(hours=1)),
        ("entered", BOB, "left", "time", NOON + timedelta(hours=1)),
    ]


async def test_traits_tags_and_other_segments_decide_together(database: Database) -> None:
    both = {
        "kind": "all",
        "of": [{"kind": "segment", "id": "tagged"}, {"kind": "trait", "name": "city", "op": "eq", "value": "Berlin"}],
    }
    await defined(database, "tagged", {"kind": "tag", "name": "vip"})
    await defined(database, "berlin-vips", both)
    await meet(database, ANN)
    await fold(database, fact(TagSet(tag="vip", expires_at=NOON + days(3)), when=NOON - days(1)))
    assert await members(database, "berlin-vips") == set()
    async with at(database) as work:
        await intake.follow(work, [changed(ANN, version=2, traits={"city": "Berlin"})])
    assert await members(database, "berlin-vips") == {ANN}
    await fold(database, fact(TagCleared(tag="vip"), when=NOON - days(2)))  # older than that it was set
    assert await members(database, "berlin-vips") == {ANN}
    await pass_time(database, NOON + days(4))

    assert await members(database, "berlin-vips") == set()
    assert [one[:3] + one[4:] for one in await turns(database) if one[0] == "left"] == [
        ("left", ANN, "tagged", NOON + days(3)),
        ("left", ANN, "berlin-vips", NOON + days(3)),
    ]


async def test_a_merged_customer_is_where_both_histories_put_them(database: Database) -> None:
    twice = {**ORDERED, "times": 2}
    await defined(database, "twice", twice)
    await defined(database, "silent", SILENT)
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON), placed("B-1", NOON, BOB), fact(ProductViewed(sku="T-1"), BOB))
    merged = event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN, source_kind=SourceKind.SERVICE)
    async with at(database) as work:
        await intake.follow(work, [merged])

    assert await members(database, "twice") == {ANN}
    assert await members(database, "silent") == set()
    async with at(database) as work:
        rows = await work.rows("SELECT profile_id, name, count(*) AS times FROM history GROUP BY 1, 2 ORDER BY 2")
        counted = await work.rows("SELECT profile_id, name, times FROM occurrences")
    assert [tuple(row) for row in rows] == [(ANN, "order_placed", 2), (ANN, "product_viewed", 1)]
    assert [tuple(row) for row in counted] == [(ANN, "product_viewed", 1)]


async def test_of_a_customer_who_was_erased_nothing_stays_and_nothing_comes_again(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await defined(database, "silent", SILENT)
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON), placed("B-1", NOON, BOB), fact(TagSet(tag="vip"), BOB))
    merged = event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN, source_kind=SourceKind.SERVICE)
    async with at(database) as work:
        await intake.follow(work, [merged])
        tables = await work.rows(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'profile_id' "
            "AND table_schema = 'public' AND table_name NOT IN ('erasures', 'profile_aliases')"
        )
        await erase(work, [event(ProfileErased(profile_id=ANN), profile_id=ANN, source_kind=SourceKind.SERVICE)])
    late = [placed("A-2", NOON), placed("B-2", NOON, BOB)]
    await fold(database, *late)
    async with at(database) as work:
        await intake.follow(work, [changed(ANN, version=9), changed(BOB, version=9)])
        left = {one.table_name: await work.rows(f"SELECT * FROM {one.table_name}") for one in tables}

    assert left == {one.table_name: [] for one in tables}
    assert len(left) >= len(TABLES)


async def test_a_definition_that_depends_on_itself_is_refused_and_one_in_use_is_not_archived(
    database: Database,
) -> None:
    await defined(database, "one", ORDERED)
    await defined(database, "other", {"kind": "segment", "id": "one"})
    with pytest.raises(InvalidCondition, match="depend on itself"):
        await redefined(database, "one", {"kind": "not", "of": {"kind": "segment", "id": "other"}}, NOON)
    with pytest.raises(InvalidCondition, match="did you mean other"):
        await defined(database, "third", {"kind": "segment", "id": "othr"})
    async with at(database) as work:
        row = await segments.one(work, "one")
    with pytest.raises(SegmentInUse, match="other"):
        async with at(database) as work:
            await segments.archive(work, "one", revision=row.revision, by=MARKETER)


async def test_an_explanation_says_which_clause_decides_and_when_it_turns(database: Database) -> None:
    await defined(database, "buyers", {"kind": "all", "of": [ORDERED, {"kind": "tag", "name": "vip"}]})
    await meet(database, ANN)
    await fold(database, placed("A-1", NOON))
    async with at(database) as work:
        found = await segments.explained(work, "buyers", ANN)

    assert (found.member, found.turns_at) == (False, None)
    assert [(one.answer, one.decides, one.turns_at) for one in found.clause.parts] == [
        (True, False, NOON + days(30)),
        (False, True, None),
    ]


async def test_a_preview_counts_whom_a_condition_matches_and_saves_nothing(database: Database) -> None:
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON))
    async with at(database, NOON + days(1)) as work:
        found = await segments.preview(work, ORDERED)
        answers = await segments.evaluate(work, ORDERED, [ANN, BOB])

    assert (found.matches, found.of, list(found.sample)) == (1, 2, [ANN])
    assert answers == {ANN: True, BOB: False}


async def test_an_archived_segment_ends_and_old_events_go_while_orders_and_counts_stay(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await meet(database, ANN)
    await fold(database, placed("A-1", NOON), fact(ProductViewed(sku="T-1")))
    async with at(database) as work:
        await housekeeping.note_sizes(work)
        row = await segments.one(work, "buyers")
        await segments.archive(work, "buyers", revision=row.revision, by=MARKETER)
    seen = len(await turns(database))
    while True:
        async with at(database) as work:
            assert not await housekeeping.drop_archived(work)  # who is in it is told first
            if not await memberships.end_archived(work, limit=1):
                break
    [left_by] = (await turns(database))[seen:]
    assert left_by[:4] == ("left", ANN, "buyers", "redefined")
    later = NOON + days(800)
    async with at(database, later) as work:
        while await housekeeping.drop_archived(work) or await housekeeping.forget(work):
            pass
        left = [row.name for row in await work.rows("SELECT name FROM history")]
        counted = [(row.name, row.times) for row in await work.rows("SELECT name, times FROM occurrences")]
        sizes = [(row.segment_id, row.members) for row in await work.rows("SELECT * FROM segment_sizes")]
        memberships_left = await work.rows("SELECT * FROM memberships")

    assert left == ["order_placed"]
    assert counted == [("product_viewed", 1)]
    assert sizes == [("buyers", 1)]
    assert memberships_left == []


async def test_of_one_event_the_newest_thousand_stay_and_all_are_counted(database: Database) -> None:
    await meet(database, ANN)
    await fold(database, *(fact(ProductViewed(sku=f"T-{n}"), when=NOON + timedelta(seconds=n)) for n in range(1_002)))
    await fold(database, fact(ProductViewed(sku="T-old"), when=NOON - days(1)))
    async with at(database) as work:
        row = await work.row("SELECT count(*) AS kept, min(at) AS oldest FROM history")
        counted = await work.row("SELECT times, first_at FROM occurrences")
    assert row is not None
    assert counted is not None
    assert (row.kept, row.oldest) == (1_000, NOON + timedelta(seconds=2))
    assert (counted.times, counted.first_at) == (1_003, NOON - days(1))


async def test_members_of_a_tier_follow_a_changed_programme_and_a_tier_by_hand_as_redefined(database: Database) -> None:
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON, total_minor=200_00), placed("B-1", NOON, BOB))
    await defined(database, "golden", {"kind": "tier", "among": ["gold"]})
    later, last = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    tiers = [{"name": "bronze", "at_least": 0}, {"name": "gold", "at_least": 150_00}]
    async with at(database, later) as work:
        programme = {"window": {"kind": "lifetime"}, "tiers": tiers}
        await programmes.save(work, "default", programme, version=1, effective_at=None, by=MARKETER)
    async with at(database, last) as work:
        assert await roll_out(work, last) == 2
    async with at(database, last) as work:
        await overrides.give(
            work, BOB, "default", name="gold", mode="at_least", reason="x", expires_at=last + days(1), by=MARKETER
        )
    assert await members(database, "golden") == {ANN, BOB}
    await pass_time(database, last + days(1))

    assert await turns(database) == [
        ("entered", ANN, "golden", "redefined", later),
        ("entered", BOB, "golden", "redefined", last),
        ("left", BOB, "golden", "time", last + days(1)),
    ]
