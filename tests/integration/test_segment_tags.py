"""Tags of segment on real PostgreSQL: by rule, by hand, defined and used; what is published comes back as it went."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.profile.service.fold import fold_events
from services.segment.domain.conditions.document import InvalidCondition
from services.segment.service import intake, segments, tag_rules, tags
from services.segment.service.segments import SegmentInUse, SegmentNotLive
from services.segment.service.standings import UnknownCustomer
from services.segment.service.tags import RuleInCircle, TagByRule, TagDefinition, TagExists, UnknownTag
from shared.contracts import topics, wire
from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event, SourceKind
from shared.contracts.events import ProductViewed, TagCleared, TagSet
from shared.database.database import Database
from shared.errors import PreconditionFailed
from shared.outbox import NullOutbox
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segments import (
    ANN,
    BOB,
    MARKETER,
    ORDERED,
    SILENT,
    at,
    backfilled,
    defined,
    fact,
    fold,
    meet,
    members,
    pass_time,
    placed,
    redefined,
)
from tests.support.events import NOON, SECRET, days, event, user

RULE = TagDefinition(kind="rule", segment_id="buyers")
MANUAL = TagDefinition(kind="manual")


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of segment."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def tag(database: Database, name: str, made: TagDefinition, now: datetime = NOON) -> None:
    async with at(database, now) as work:
        await tags.create(work, name, made, by=MARKETER)
    await follow(database, now)


async def follow(database: Database, now: datetime = NOON) -> None:
    """Follows new rules for all whom they concern."""
    await backfilled(database, now)
    while True:
        async with at(database, now) as work:
            if not await tag_rules.backfill(work):
                return


async def stated(database: Database, topic: str = topics.EVENTS) -> list[Event]:
    """What was published to a topic, in order."""
    async with database.work() as work:
        rows = await work.rows(
            "SELECT headers::text AS headers, value FROM outbox WHERE topic = :topic ORDER BY id", topic=topic
        )
    return [
        wire.decode([(name, text.encode()) for name, text in msgspec.json.decode(row.headers).items()], row.value)
        for row in rows
    ]


def told(events: Sequence[Event]) -> list[tuple[str, UUID | None, str]]:
    found = []
    for one in events:
        assert isinstance(one.body, TagSet | TagCleared)
        found.append(("set" if isinstance(one.body, TagSet) else "cleared", one.profile_id, one.body.tag))
    return found


async def cut_off(database: Database) -> None:
    """Follows a rule for some more, and ends before that is committed."""
    async with at(database) as work:
        await tag_rules.backfill(work)
        raise ZeroDivisionError


async def have(database: Database, name: str) -> set[UUID]:
    async with database.work() as work:
        rows = await work.rows("SELECT profile_id FROM customer_tags WHERE tag = :tag AND set", tag=name)
    return {row.profile_id for row in rows}


async def test_who_enters_a_segment_gets_its_tag_and_who_leaves_loses_it(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await tag(database, "buyer", RULE)
    await meet(database, ANN, BOB)
    ordered = NOON + days(1)
    await fold(database, placed("A-1", ordered), now=ordered)
    assert await have(database, "buyer") == {ANN}
    await pass_time(database, ordered + days(31))

    events = await stated(database)
    assert told(events) == [("set", ANN, "buyer"), ("cleared", ANN, "buyer")]
    assert [(one.occurred_at, one.depth, one.historical) for one in events] == [
        (ordered, 1, False),
        (ordered + days(30), 1, False),
    ]
    assert len({one.event_id for one in events} | {one.cause_id for one in events}) == 4
    assert await have(database, "buyer") == set()

    await fold(database, *events, now=ordered + days(31))  # as they come back through profile
    assert await stated(database) == events
    assert await have(database, "buyer") == set()


async def test_a_late_event_ends_a_tag_although_it_happened_before_what_set_it(database: Database) -> None:
    opened = {"kind": "did", "event": "product_viewed", "op": "eq", "times": 1}
    await defined(database, "curious", opened)
    await tag(database, "curious", TagDefinition(kind="rule", segment_id="curious"))
    await meet(database, ANN)
    await fold(database, fact(ProductViewed(sku="T-1"), when=NOON + days(5)), now=NOON + days(5))
    await fold(database, fact(ProductViewed(sku="T-2"), when=NOON + days(3)), now=NOON + days(6))

    first, second = await stated(database)
    assert told([first, second]) == [("set", ANN, "curious"), ("cleared", ANN, "curious")]
    assert first.stamp < second.stamp
    assert second.occurred_at - first.occurred_at == timedelta(microseconds=1)


async def test_a_rule_that_is_set_later_is_followed_for_all_and_takes_the_tag_from_others(database: Database) -> None:
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON), fact(TagSet(tag="buyer"), BOB))
    await defined(database, "buyers", ORDERED)
    await tag(database, "buyer", RULE, NOON + days(1))

    events = await stated(database)
    assert told(events) == [("set", ANN, "buyer"), ("cleared", BOB, "buyer")]
    assert all(one.historical and one.cause_id is None for one in events)
    assert await have(database, "buyer") == {ANN}
    async with at(database) as work:
        row = (await tags.one(work, "buyer")).definition
    assert row is not None
    assert row.backfilled_at is not None

    await redefined(database, "buyers", SILENT, NOON + days(2))
    assert await have(database, "buyer") == {BOB}
    assert told((await stated(database))[2:]) == [("cleared", ANN, "buyer"), ("set", BOB, "buyer")]


async def test_following_a_rule_goes_on_where_it_was_cut_off(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [UUID(int=n + 1) for n in range(5)]
    await meet(database, *customers)
    await fold(database, *(placed(f"A-{n}", NOON, one) for n, one in enumerate(customers)))
    await defined(database, "buyers", ORDERED)
    monkeypatch.setattr(tag_rules, "BACKFILL_BATCH", 2)
    async with at(database) as work:
        await tags.create(work, "buyer", RULE, by=MARKETER)
    async with at(database) as work:
        assert await tag_rules.backfill(work)
    assert await have(database, "buyer") == set(customers[:2])
    with pytest.raises(ZeroDivisionError):
        await cut_off(database)
    assert await have(database, "buyer") == set(customers[:2])
    await follow(database)

    assert await have(database, "buyer") == set(customers)
    assert len(await stated(database)) == len(customers)


async def test_a_merged_customer_has_the_tags_of_the_segments_that_they_are_in(database: Database) -> None:
    once = {"kind": "did", "event": "order_placed", "op": "eq", "times": 1}
    await defined(database, "buyers", once)
    await tag(database, "buyer", RULE)
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON), placed("B-1", NOON, BOB))
    assert await have(database, "buyer") == {ANN, BOB}
    merged = event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN, source_kind=SourceKind.SERVICE)
    async with at(database) as work:
        await intake.follow(work, [merged])

    assert await members(database, "buyers") == set()
    assert await have(database, "buyer") == set()
    assert told((await stated(database))[2:]) == [("cleared", ANN, "buyer")]


async def test_who_is_in_no_segment_before_and_after_a_merge_does_not_keep_the_losers_tag(database: Database) -> None:
    once = {"kind": "did", "event": "order_placed", "op": "eq", "times": 1}
    await defined(database, "buyers", once)
    await tag(database, "buyer", RULE)
    await meet(database, ANN, BOB)
    await fold(database, placed("A-1", NOON), placed("A-2", NOON), placed("B-1", NOON, BOB))
    assert await have(database, "buyer") == {BOB}
    merged = event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN, source_kind=SourceKind.SERVICE)
    async with at(database) as work:
        await intake.follow(work, [merged])

    assert await have(database, "buyer") == set()
    [cleared] = (await stated(database))[1:]
    assert (cleared.profile_id, cleared.cause_id) == (ANN, merged.event_id)


async def test_who_says_otherwise_than_the_rule_is_answered_by_the_rule(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await tag(database, "buyer", RULE)
    await meet(database, ANN, BOB)
    await fold(database, placed("B-1", NOON, BOB))
    await fold(database, fact(TagSet(tag="buyer", expires_at=NOON + days(9)), when=NOON + days(1)))
    await fold(database, fact(TagCleared(tag="buyer"), BOB, NOON + days(1)))

    assert await have(database, "buyer") == {BOB}
    assert told((await stated(database))[1:]) == [("cleared", ANN, "buyer"), ("set", BOB, "buyer")]


async def test_a_cause_that_is_deep_enough_sets_no_tag_and_one_of_history_sets_it_as_history(
    database: Database,
) -> None:
    await defined(database, "buyers", ORDERED)
    await tag(database, "buyer", RULE)
    await meet(database, ANN, BOB)
    deep = msgspec.structs.replace(placed("A-1", NOON), depth=MAX_CAUSATION_DEPTH)
    old = msgspec.structs.replace(placed("B-1", NOON, BOB), historical=True, depth=MAX_CAUSATION_DEPTH - 1)
    await fold(database, deep, old)

    [only] = await stated(database)
    assert (only.profile_id, only.historical, only.depth) == (BOB, True, MAX_CAUSATION_DEPTH)


async def test_a_rebuild_states_nothing(database: Database) -> None:
    await defined(database, "buyers", ORDERED)
    await tag(database, "buyer", RULE)
    await meet(database, ANN)
    async with at(database) as work:
        work.outbox = NullOutbox(work.connection)
        await intake.fold(work, [placed("A-1", NOON)])
    assert await have(database, "buyer") == set()


async def test_a_rule_needs_a_live_segment_that_does_not_ask_about_the_tag_and_stays(database: Database) -> None:
    async with at(database) as work:
        await segments.create(work, "draft", name="d", description="", document=ORDERED, by=MARKETER)
    with pytest.raises(SegmentNotLive):
        await tag(database, "buyer", TagDefinition(kind="rule", segment_id="draft"))
    await defined(database, "buyers", ORDERED)
    await defined(database, "tagged", {"kind": "not", "of": {"kind": "tag", "name": "buyer"}})
    await defined(database, "through", {"kind": "segment", "id": "tagged"})
    for name in ("tagged", "through"):
        with pytest.raises(RuleInCircle, match="depend on itself"):
            await tag(database, "buyer", TagDefinition(kind="rule", segment_id=name))
    await tag(database, "buyer", RULE)
    with pytest.raises(InvalidCondition, match="depend on itself"):
        await redefined(database, "buyers", {"kind": "segment", "id": "through"}, NOON)
    async with at(database) as work:
        row = await segments.one(work, "buyers")
        with pytest.raises(SegmentInUse, match="buyer"):
            await segments.archive(work, "buyers", revision=row.revision, by=MARKETER)


async def test_tags_are_defined_changed_and_listed_with_those_that_nobody_defined(database: Database) -> None:
    await meet(database, ANN, BOB)
    await fold(
        database,
        fact(TagSet(tag="a/b")),
        fact(TagSet(tag="vip")),
        fact(TagSet(tag="vip"), BOB),
        fact(TagSet(tag="over", expires_at=NOON + days(1))),
    )
    await tag(database, "vip", MANUAL)
    await tag(database, "unused", MANUAL)
    async with at(database, NOON + days(2)) as work:
        found = await tags.page(work, after=None, limit=10)
        assert [(one.name, one.customers, one.definition is None) for one in found] == [
            ("a/b", 1, True),
            ("unused", 0, False),
            ("vip", 2, False),
        ]
        assert [one.name for one in await tags.page(work, after="a/b", limit=1)] == ["unused"]
        assert [(one.tag, one.kind) for one in await tags.of_customer(work, ANN)] == [("a/b", None), ("vip", "manual")]
    with pytest.raises(TagExists):
        await tag(database, "vip", MANUAL)
    async with at(database) as work:
        row = await tags.change(work, "vip", TagDefinition(kind="imported"), revision=1, by=MARKETER)
        assert (row.kind, row.revision) == ("imported", 2)
    with pytest.raises(PreconditionFailed):
        async with at(database) as work:
            await tags.delete(work, "vip", revision=1, by=MARKETER)
    async with at(database) as work:
        await tags.delete(work, "vip", revision=2, by=MARKETER)
        assert (await tags.one(work, "vip")).definition is None
        with pytest.raises(UnknownTag):
            await tags.one(work, "nothing")
        rows = await work.rows("SELECT action FROM audit_log WHERE object_kind = 'tag' ORDER BY sequence")
    assert [row.action for row in rows] == ["tag.created", "tag.created", "tag.changed", "tag.deleted"]


async def test_a_tag_by_hand_goes_through_profile_and_one_by_rule_is_not_set_by_hand(
    database: Database, database_factory: DatabaseFactory
) -> None:
    profile = Database(await database_factory("profile"), application="test", clock=SystemClock())
    try:
        await profile_path(database, profile)
    finally:
        await profile.close()


async def profile_path(database: Database, profile: Database) -> None:
    """A customer whom profile knows; segment states a tag; profile assigns it; segment reads it."""
    async with profile.work() as work:
        work.origin = 0
        await fold_events(work, [event(ProductViewed(sku="T-1"), user(42))])
    customer = (await stated(profile, topics.PROFILE_EVENTS))[0].profile_id
    assert customer is not None
    await meet(database, customer)
    by: dict[str, Any] = {"by": MARKETER, "partition_secret": SECRET}
    async with at(database, NOON + days(1)) as work:
        fact_id = await tags.set_by_hand(work, customer, "tea", reason="asked", expires_at=None, **by)
        with pytest.raises(UnknownCustomer):
            await tags.clear_by_hand(work, BOB, "tea", **by)
    assert await have(database, "tea") == set()
    async with profile.work() as work:
        work.origin = 0
        await fold_events(work, await stated(database))
    [came] = [one for one in await stated(profile, topics.PROFILE_EVENTS) if isinstance(one.body, TagSet)]
    assert (came.event_id, came.profile_id) == (fact_id, customer)
    assert came.body == TagSet(tag="tea", reason="asked", extra={"by": "marketer"})
    await fold(database, came)
    assert await have(database, "tea") == {customer}

    await defined(database, "buyers", ORDERED)
    await tag(database, "buyer", RULE)
    with pytest.raises(TagByRule):
        async with at(database) as work:
            await tags.set_by_hand(work, customer, "buyer", reason="", expires_at=None, **by)
