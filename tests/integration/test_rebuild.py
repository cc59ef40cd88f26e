"""Rebuilds on real PostgreSQL and a real broker: whatever became of the projections, the record brings them back."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from deploy.local.broker import Broker
from deploy.local.postgres import Postgres
from services.campaign import commands as campaign
from services.campaign.main import build as build_campaign
from services.campaign.settings import CampaignSettings
from services.feedback import commands as feedback
from services.feedback.main import build as build_feedback
from services.feedback.settings import FeedbackSettings
from services.profile import commands as profile
from services.profile.main import build as build_profile
from services.profile.settings import ProfileSettings
from services.segment import commands as segment
from services.segment.consumer import HANDLERS
from services.segment.main import build as build_segment
from services.segment.service import memberships, segments, standings, timers
from services.segment.service.programmes import definitions
from services.segment.service.programmes.rollout import roll_out
from services.segment.settings import SegmentSettings
from shared.audit import Actor
from shared.contracts import topics, wire
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, OrderPlaced, OrderRefunded, PageViewed, ProductViewed
from shared.contracts.topics import PROFILE_EVENTS
from shared.contracts.wire import Message
from shared.database.database import Database
from shared.history import ProfileAddress
from shared.kafka.consumer.offsets import Place
from shared.kafka.producer import Producer
from shared.kafka.topics import admin, cluster_id, ensure_topics
from shared.rebuild.command import LOCK
from shared.rebuild.topics import why_not_whole
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory, new_broker
from tests.faults.collect import read_topics
from tests.integration.test_profile_service import some_events, take
from tests.support.commands import run_command
from tests.support.databases import Databases
from tests.support.events import NOON, SECRET, days, event, message, order, person, user
from tests.support.logs import log_end
from tests.support.memberships import agree, fresh, stored, told
from tests.support.running import eventually, running, session_milliseconds
from tests.support.unreadable import produce_with_a_bad_name

TABLES: Final = {
    "profile": ("profiles", "orders", "counts", "profile_aliases"),
    "segment": segment.PLAN.tables,
    "campaign": ("contacts", "standings", "profile_aliases"),
    "feedback": ("profile_aliases", "customer_orders"),
}
DIFFERING: Final = ("version", "since")
"""What of a lost row nobody knows any more: how often it changed, and since when a customer is in a segment."""
READS: Final = {
    "profile": (topics.EVENTS,),
    "segment": (topics.PROFILE_EVENTS, topics.PROFILES),
    "campaign": (topics.PROFILE_EVENTS, topics.PROFILES, topics.SEGMENTS),
    "feedback": (topics.PROFILE_EVENTS, topics.PROFILES),
}
ORDERED: Final = {"kind": "did", "event": "order_placed", "window": {"within": "P90D"}}
SEGMENTS: Final[dict[str, Any]] = {
    "buyers": ORDERED,
    "tea": {
        "kind": "did",
        "event": "product_viewed",
        "window": {"within": "P365D"},
        "where": [{"property": "category", "value": "drinks"}],
    },
    "silent": {"kind": "not", "of": ORDERED},
    "gold": {"kind": "tier", "among": ["gold", "diamond"]},
    "silent-gold": {"kind": "all", "of": [{"kind": "segment", "id": "silent"}, {"kind": "segment", "id": "gold"}]},
    "ann": {"kind": "trait", "name": "first_name", "op": "starts_with", "value": "Ann 1"},
}
RECORDS: Final = ("decisions", "messages")


class StoppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = NOON + days(3)

    def now(self) -> datetime:
        return self.moment


@dataclass
class World:
    """Four services with databases of their own, one broker, one clock. What is published goes to profile."""

    broker: Broker
    urls: dict[str, str]
    clock: StoppedClock = field(default_factory=StoppedClock)

    def __post_init__(self) -> None:
        self.bootstrap = self.broker.bootstrap
        self.producer = Producer(self.bootstrap, client_id="test")
        self.databases = {
            name: Database(url, application="test", clock=self.clock, pool_size=2) for name, url in self.urls.items()
        }

    async def close(self) -> None:
        await self.producer.close()
        for database in self.databases.values():
            await database.close()

    def settings(self, name: str) -> dict[str, Any]:
        fields = {
            "database_url": self.urls[name],
            "kafka_bootstrap": self.bootstrap,
            "partition_secret": SECRET.decode(),
            "kafka_fetch_wait_milliseconds": 10,
            "kafka_session_timeout_milliseconds": session_milliseconds(self.broker),
            "http_port": 1,
        }
        mail = {"mail_from": "hello@shop.example", "smtp_host": "127.0.0.1", "smtp_port": 1}
        return fields | (mail if name == "campaign" else {})

    def service(self, name: str, profile: ProfileAddress | None = None) -> process.Service:
        """A service; segment knows where profile's history is, if that is given."""
        match name:
            case "profile":
                return build_profile(ProfileSettings(**self.settings(name)), self.clock)
            case "segment":
                known: dict[str, Any] = (
                    {} if profile is None else {"profile_url": profile.url, "profile_token": profile.token}
                )
                return build_segment(SegmentSettings(**self.settings(name), **known), self.clock)
            case "campaign":
                return build_campaign(CampaignSettings(**self.settings(name)), self.clock)
            case _:
                return build_feedback(FeedbackSettings(**self.settings(name)), self.clock)

    async def rebuild(self, name: str, *arguments: str) -> int:
        match name:
            case "profile":
                return await profile.rebuild(ProfileSettings(**self.settings(name)), arguments, self.clock)
            case "segment":
                return await segment.rebuild(SegmentSettings(**self.settings(name)), arguments, self.clock)
            case "campaign":
                return await campaign.rebuild(CampaignSettings(**self.settings(name)), arguments, self.clock)
            case _:
                return await feedback.rebuild(FeedbackSettings(**self.settings(name)), arguments, self.clock)

    async def publish(self, events: Sequence[Event]) -> None:
        await self.producer.send([message(topics.EVENTS, one) for one in events])

    async def run(self, name: str, statement: str, **parameters: Any) -> int:
        async with self.databases[name].work() as work:
            return await work.run(statement, **parameters)

    async def rows(self, name: str, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self.databases[name].work() as work:
            return [tuple(row) for row in await work.rows(statement, **parameters)]

    async def cluster_id(self) -> str:
        """The id of the broker's cluster."""
        async with admin(self.bootstrap) as client:
            return await cluster_id(client)

    async def drained(self) -> bool:
        """Whether every service has read all that there is and published all that it has to."""
        [[unseen]] = await self.rows("segment", "SELECT count(*) FROM segment_versions WHERE backfilled_at IS NULL")
        if unseen:
            return False
        for name, reads in READS.items():
            [[waiting]] = await self.rows(name, "SELECT count(*) FROM outbox")
            [[read]] = await self.rows(
                name,
                "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets "
                "WHERE topic = ANY(CAST(:t AS text[])) AND cluster_id = :cluster",
                t=list(reads),
                cluster=await self.cluster_id(),  # of a broker before there are offsets, too
            )
            async with asyncio.timeout(30):
                if waiting or read < await log_end(self.bootstrap, reads):
                    return False
        return True

    async def until_drained(self) -> None:
        await eventually(self.drained, bool, deadline_seconds=60)

    async def serve(self, *names: str) -> AsyncExitStack:
        stack = AsyncExitStack()
        for name in names or tuple(READS):
            await stack.enter_async_context(running(self.service(name)))
        return stack

    async def dump(self, *, without: Sequence[str] = ()) -> dict[str, Any]:
        """Every row of every projection, without some columns, and the records that no rebuild may touch."""
        found: dict[str, Any] = {}
        for name, tables in TABLES.items():
            for table in tables:
                found[f"{name}.{table}"] = await self.table(name, table, without)
        found["profile.identities"] = await self.rows(
            "profile",
            "SELECT i.namespace, i.value, coalesce(a.canonical_id, i.profile_id) FROM identities i "
            "LEFT JOIN profile_aliases a USING (profile_id) WHERE i.profile_id IS NOT NULL ORDER BY 1, 2",
        )
        for table in RECORDS:
            found[f"campaign.{table}"] = await self.table("campaign", table)
        return found

    async def table(self, name: str, table: str, without: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        if without and table == "customer_segments":  # all of it is in the rows by segment
            async with self.databases[name].work() as work:
                await agree(work)
            return []
        if without and table == "memberships":  # that a look is due too early may be lost
            without = [*without, "due_at"]
        return await self.rows(
            name,
            f"SELECT (to_jsonb(t) - CAST(:without AS text[]))::text FROM {table} t ORDER BY 1",
            without=list(without),
        )

    async def outbox(self, name: str) -> int:
        [[waiting]] = await self.rows(name, "SELECT count(*) FROM outbox")
        return int(waiting)


@asynccontextmanager
async def a_broker(home: Path) -> AsyncIterator[Broker]:
    """A broker of these tests' own: a rebuild reads everything that was ever published."""
    server = new_broker(home)
    try:
        await server.start()
        await ensure_topics(server.bootstrap, topics.ALL, replication=1, patience_seconds=30)
        yield server
    finally:
        await server.kill()


@pytest.fixture
async def own_broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """A broker of one test's own."""
    async with a_broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """The broker of all tests that publish nothing."""
    async with a_broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
async def world(own_broker: Broker, database_factory: DatabaseFactory) -> AsyncIterator[World]:
    """Four services that have taken nothing in yet."""
    made = World(own_broker, {name: await database_factory(name) for name in TABLES})
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def shop(broker: Broker, databases: Databases) -> World:
    """A shop that every service has taken in, once. Nobody is connected to its databases."""
    first = World(broker, {name: databases.url(name, await databases.take(name)) for name in TABLES})
    await taken_in(first)
    await first.close()
    return first


@pytest.fixture
async def copy(postgres: Postgres, shop: World) -> AsyncIterator[World]:
    """Copies of the shop's databases, for tests that publish nothing."""
    names = {name: f"copy_{name}_{uuid4().hex[:12]}" for name in TABLES}
    urls = {
        name: await postgres.create_database(made, f"rapport_{name}", shop.urls[name].rpartition("/")[2])
        for name, made in names.items()
    }
    copied = World(shop.broker, urls)
    yield copied
    await copied.close()
    for made in names.values():
        await postgres.drop_database(made)


@pytest.fixture
async def empty(shop: World, database_factory: DatabaseFactory) -> AsyncIterator[World]:
    """Empty databases beside the shop's broker, for tests that publish nothing."""
    made = World(shop.broker, {name: await database_factory(name) for name in TABLES})
    yield made
    await made.close()


def a_shop(tag: str, people: int = 12) -> list[list[Event]]:
    """Batches about some people: orders, refunds, views, answers, and two who turn out to be one."""
    chance = random.Random(tag)
    first: list[Event] = []
    for number in range(people):
        who = f"{tag}-{number}"
        first.append(person(who, first_name=f"Ann {number}", email=f"{who}@example.com"))
        for count in range(chance.randrange(5)):
            at = NOON - days(chance.randrange(1, 400))
            first.append(order(who, f"{who}-{count}", chance.randrange(1_00, 400_00), at=at))
            first.append(event(ProductViewed(sku="tea", category="drinks"), user(who), at=at))
            if chance.random() < 0.4:
                back = OrderRefunded(order_id=f"{who}-{count}", refund_id="r", currency="USD", amount_minor=50)
                first.append(event(back, user(who), at=at + days(1)))
    merge = event(PageViewed(path="/"), user(f"{tag}-0"), user(f"{tag}-1"), at=NOON, merges=True)
    return [first, [merge], [order(f"{tag}-1", f"{tag}-late", 900_00, at=NOON - days(1))]]


async def define(world: World, names: Sequence[str]) -> None:
    """Publishes segments; the running service looks at the base by them."""
    by = Actor("marketer", ("segment:write",))
    for name in names:
        async with world.databases["segment"].work() as work:
            row = await segments.create(work, name, name=name, description="", document=SEGMENTS[name], by=by)
            await segments.publish(work, name, revision=row.revision, by=by)


async def taken_in(world: World) -> None:
    """A shop that every service has taken in, with segments: some from the beginning, some that came later."""
    async with await world.serve():
        for number, batch in enumerate(a_shop(uuid4().hex[:6])):
            await define(world, list(SEGMENTS)[number * 2 : number * 2 + 2])
            await world.publish(batch)
            await world.until_drained()


async def truncate(world: World) -> None:
    for name, tables in TABLES.items():
        await world.run(name, f"TRUNCATE {', '.join(tables)}")
    await world.run("profile", "TRUNCATE identities")


async def test_projections_that_were_emptied_are_what_they_were(copy: World) -> None:
    before, exact = await copy.dump(without=DIFFERING), await copy.dump()
    assert len(before["profile.profile_aliases"]) == 1
    members = await copy.rows("segment", "SELECT segment_id, count(*) FROM memberships WHERE member GROUP BY 1")
    assert {name for name, _ in members} >= {"buyers", "tea", "silent", "gold", "ann"}
    assert len(before["segment.profile_aliases"]) == 1
    assert len(before["campaign.standings"]) > 0

    await truncate(copy)
    for name in TABLES:
        assert await copy.rebuild(name) == 0

    after = await copy.dump()
    assert await copy.dump(without=DIFFERING) == before
    for place in ("segment.standings", "campaign.contacts", "campaign.standings"):
        assert after[place] == exact[place], "the topics say which versions were given"
    assert [await copy.outbox(name) for name in TABLES] == [0, 0, 0, 0]

    for name in TABLES:
        assert await copy.rebuild(name) == 0
    assert await copy.dump() == after
    assert [await copy.outbox(name) for name in TABLES] == [0, 0, 0, 0]


async def test_a_rebuild_of_what_is_right_touches_no_row(copy: World, capsys: pytest.CaptureFixture[str]) -> None:
    exact = await copy.dump()
    capsys.readouterr()

    for name in TABLES:
        assert await copy.rebuild(name) == 0

    printed = capsys.readouterr().err
    assert "mended" not in printed
    assert printed.count("as it should be") == 5 + len(segment.PLAN.tables) + len(campaign.PLAN.tables) + 2
    assert await copy.dump() == exact
    assert await copy.rows("segment", "SELECT 1 FROM pg_namespace WHERE nspname = 'rebuild'") == []


async def test_damaged_rows_are_mended_and_readers_hear_what_they_had_wrong(copy: World) -> None:
    before, exact = await copy.dump(without=DIFFERING), await copy.dump()
    stranger, [[someone]] = uuid4(), await copy.rows("profile", "SELECT id FROM profiles ORDER BY id LIMIT 1")
    for statement in (
        "UPDATE profiles SET state = '[]', orders = 99, spend_minor = '{\"USD\": 1}' WHERE id = :someone",
        "INSERT INTO profiles (id, version, first_seen, last_seen, state) VALUES (:stranger, 1, now(), now(), '{}')",
        "INSERT INTO counts (profile_id, kind, name, times) VALUES (:stranger, 'page', '/', 1)",
        "UPDATE counts SET times = times + 5 WHERE profile_id <> :stranger AND :someone IS NOT NULL",
        "UPDATE orders SET net_minor = 7, facts = '{}' WHERE profile_id <> :stranger AND :someone IS NOT NULL",
        "UPDATE profile_aliases SET canonical_id = :stranger WHERE :someone IS NOT NULL",
        "UPDATE identities SET profile_id = :stranger WHERE :someone IS NOT NULL",
        "INSERT INTO identities (namespace, value, profile_id) VALUES ('user_id', CAST(:someone AS text), :stranger)",
    ):
        casts = statement.replace(":someone", "CAST(:someone AS uuid)").replace(":stranger", "CAST(:stranger AS uuid)")
        await copy.run("profile", casts, someone=someone, stranger=stranger)
    await copy.run("segment", "UPDATE standings SET tier = 'diamond', version = version + 3 WHERE tier = 'gold'")
    await copy.run("segment", "DELETE FROM orders WHERE net_minor > 50000")
    await copy.run("segment", "UPDATE memberships SET member = FALSE WHERE segment_id <> 'buyers'")
    await copy.run("segment", "DELETE FROM memberships WHERE segment_id = 'buyers'")
    await copy.run("segment", "UPDATE history SET at = at - interval '1 year' WHERE name = 'product_viewed'")
    await copy.run("segment", "UPDATE occurrences SET times = times + 1")
    await copy.run("campaign", "UPDATE contacts SET email = 'x@example.com', version = 10000")
    await copy.run("campaign", "DELETE FROM standings WHERE kind = 'stage'")
    await copy.run("feedback", "DELETE FROM profile_aliases")
    [[gold]] = await copy.rows("segment", "SELECT count(*) FROM standings WHERE tier = 'diamond' AND version >= 3")

    for name in TABLES:
        assert await copy.rebuild(name) == 0

    assert await copy.dump(without=DIFFERING) == before
    after = await copy.dump()
    assert after["profile.profiles"] == exact["profile.profiles"]
    assert after["campaign.contacts"] == exact["campaign.contacts"]
    told = await waiting(copy, "segment")
    assert 0 < len(told) <= gold
    assert {(one.historical, type(one.body)) for one in told} == {(True, TierChanged)}
    assert [await copy.outbox(name) for name in ("profile", "campaign", "feedback")] == [0, 0, 0]


async def test_tiers_of_a_second_programme_are_built_again_and_readers_hear_what_they_had_wrong(copy: World) -> None:
    tiers = [{"name": "guest", "at_least": 0}, {"name": "regular", "at_least": 2}, {"name": "friend", "at_least": 3}]
    club = {"basis": "orders", "window": {"kind": "lifetime"}, "tiers": tiers}
    database, now = copy.databases["segment"], copy.clock.now()
    async with database.work() as work:
        work.now = now
        await definitions.save(work, "club", club, version=0, effective_at=None, by=Actor("test"))
    async with database.work() as work:
        work.now = now
        assert await roll_out(work, now) > 0
    before = await copy.dump(without=("version",))
    assert await copy.rebuild("segment") == 0
    assert await copy.dump(without=("version",)) == before
    heard = len(await waiting(copy, "segment"))
    risen = "SELECT profile_id, tier FROM programme_standings WHERE tier <> 'guest' ORDER BY profile_id"
    right = await copy.rows("segment", risen)
    await copy.run("segment", "UPDATE programme_standings SET tier = 'guest'")

    assert await copy.rebuild("segment") == 0

    assert await copy.dump(without=("version",)) == before
    told = (await waiting(copy, "segment"))[heard:]
    tiers_told = [one.body for one in told if isinstance(one.body, TierChanged)]
    assert {one.historical for one in told} == {True}
    assert {one.programme for one in tiers_told} == {"club"}
    assert sorted((one.profile_id, one.current) for one in tiers_told) == right
    assert len(told) == len(right) > 0


async def turns(world: World) -> list[Event]:
    """What was published of memberships, each customer's in order."""
    found: list[Event] = []
    for record in (await read_topics(world.bootstrap, [topics.SEGMENTS]))[topics.SEGMENTS]:
        one = wire.decode(record.headers, record.value)
        if isinstance(one.body, SegmentEntered | SegmentExited):
            found.append(one)
    return found


async def waiting(world: World, name: str) -> list[Event]:
    async with world.databases[name].work() as work:
        return await work.outbox.waiting(topics.SEGMENTS)


@pytest.mark.any_broker
async def test_versions_never_fall_and_what_comes_later_is_heard(world: World) -> None:
    tag = uuid4().hex[:6]
    async with await world.serve():
        await world.publish([order(tag, f"{tag}-1", 10_00, at=NOON - days(2))])
        await world.until_drained()
        await world.publish([order(tag, f"{tag}-2", 300_00, at=NOON - days(1))])
        await world.until_drained()
    await truncate(world)
    for name in TABLES:
        assert await world.rebuild(name) == 0

    async with await world.serve():
        await world.publish([order(tag, f"{tag}-3", 2_000_00, at=NOON)])
        await world.until_drained()

    [[who]] = await world.rows("profile", "SELECT profile_id FROM identities WHERE value = :tag", tag=tag)
    [[tier]] = await world.rows(
        "campaign", "SELECT value FROM standings WHERE profile_id = :who AND kind = 'tier'", who=who
    )
    [[orders]] = await world.rows("campaign", "SELECT orders FROM contacts WHERE profile_id = :who", who=who)
    assert (tier, orders) == ("diamond", 3)


@pytest.mark.any_broker
async def test_a_service_that_took_orders_in_without_its_table_catches_up_with_its_own_versions(world: World) -> None:
    tag = uuid4().hex[:6]
    async with await world.serve():
        for number, amount in enumerate((150_00, 200_00, 700_00)):
            await world.publish([order(tag, f"{tag}-{number}", amount, at=NOON - days(3))])
            await world.until_drained()
        await world.run("segment", "TRUNCATE standings, orders")
        await world.publish([order(tag, f"{tag}-x", 1_00, at=NOON - days(2))])
        await world.until_drained()
        assert await world.rebuild("segment") == 0
        await world.until_drained()

    [[who]] = await world.rows("profile", "SELECT profile_id FROM identities WHERE value = :tag", tag=tag)
    known = await world.rows(
        "campaign", "SELECT kind, value FROM standings WHERE profile_id = :who ORDER BY kind", who=who
    )
    here = await world.rows("segment", "SELECT tier, stage FROM standings WHERE profile_id = :who", who=who)
    assert here == [("diamond", "loyal")]
    assert dict(known) == {"tier": "diamond", "stage": "loyal"}


@pytest.mark.any_broker
async def test_what_has_become_due_is_left_to_the_timers_which_publish_it_as_new(world: World) -> None:
    tag = uuid4().hex[:6]
    async with await world.serve("profile", "segment"):
        await world.publish([order(tag, f"{tag}-1", 10_00, at=NOON)])
        [[who]] = await eventually(
            lambda: world.rows("profile", "SELECT profile_id FROM identities WHERE value = :tag", tag=tag),
            lambda rows: bool(rows and rows[0][0]),
        )
        await eventually(
            lambda: world.rows(
                "segment", "SELECT 1 FROM standings WHERE profile_id = :who AND due_at IS NOT NULL", who=who
            ),
            bool,
        )
        await eventually(lambda: world.outbox("segment"), lambda rows: rows == 0)
    world.clock.moment += days(100)
    assert await world.rebuild("segment") == 0
    assert await waiting(world, "segment") == []

    async with world.databases["segment"].work() as work:
        while await standings.flip_due(work, work.now):
            pass
    mine = [one for one in await waiting(world, "segment") if one.profile_id == who]
    assert [(type(one.body), one.historical) for one in mine] == [(StageChanged, False)] * 2


async def test_memberships_that_have_become_due_are_left_to_the_timers(copy: World) -> None:
    copy.clock.moment += days(60)
    exact = await copy.table("segment", "memberships")

    assert await copy.rebuild("segment") == 0
    assert await copy.table("segment", "memberships") == exact
    assert await waiting(copy, "segment") == []

    async with copy.databases["segment"].work() as work:
        while await timers.flip_due(work, work.now) or await memberships.flip_due(work, work.now):
            pass
        assert await stored(work) == await fresh(work, work.now)
    left = [one for one in await waiting(copy, "segment") if isinstance(one.body, SegmentExited)]
    assert {(one.body.by_time, one.historical) for one in left if isinstance(one.body, SegmentExited)} == {
        (True, False)
    }


async def test_a_base_that_is_being_looked_at_by_new_definitions_stays_so_and_is_looked_at_to_its_end(
    copy: World,
) -> None:
    database = copy.databases["segment"]
    async with database.work() as work:
        row = await segments.one(work, "buyers")
        document, by = {**ORDERED, "times": 2}, Actor("marketer", ("segment:write",))
        row = await segments.change(
            work, row.id, revision=row.revision, name=row.name, description="", document=document, by=by
        )
        await segments.publish(work, row.id, revision=row.revision, by=by)
        new = await segments.create(work, "new", name="", description="", document=SEGMENTS["tea"], by=by)
        await segments.publish(work, new.id, revision=new.revision, by=by)
    for _ in range(3):
        async with database.work() as work:
            assert await memberships.backfill(work, limit=3)
    exact, published = await copy.table("segment", "memberships"), await waiting(copy, "segment")

    assert await copy.rebuild("segment") == 0
    assert await copy.table("segment", "memberships") == exact
    assert await waiting(copy, "segment") == published

    async with database.work() as work:
        while await memberships.backfill(work, limit=3):
            pass
        assert await stored(work) == await fresh(work, work.now)
    assert all(one.body.cause in ("defined", "redefined") for one in await segment_turns(copy))
    exact = await copy.table("segment", "memberships")
    assert await copy.rebuild("segment") == 0
    assert await copy.table("segment", "memberships") == exact


async def test_readers_who_know_a_membership_otherwise_hear_how_it_is_as_history(copy: World) -> None:
    [[who, version]] = await copy.rows("segment", "SELECT profile_id, version FROM standings ORDER BY 1 LIMIT 1")
    [[inside]] = await copy.rows(
        "segment", "SELECT count(*) FROM memberships WHERE profile_id = :who AND segment_id = 'tea' AND member", who=who
    )
    wrong, right = (SegmentExited, SegmentEntered) if inside else (SegmentEntered, SegmentExited)
    fields: dict[str, Any] = {"segment_id": "tea", "segment_version": 1, "name": "tea", "reason": "", "cause": "event"}
    body = wrong(profile_id=who, version=version + 7, **fields)
    async with copy.databases["segment"].work() as work:
        told_wrongly = event(body, profile_id=who, source_kind=SourceKind.SERVICE)
        await work.outbox.add(topics.SEGMENTS, [(who.bytes, told_wrongly)])

    assert await copy.rebuild("segment") == 0

    [_, mended] = await waiting(copy, "segment")
    assert isinstance(mended.body, right)
    assert (mended.body.version, mended.body.segment_id, mended.historical) == (version + 8, "tea", True)
    assert await copy.rows("segment", "SELECT version FROM standings WHERE profile_id = :who", who=who) == [
        (version + 8,)
    ]


async def segment_turns(world: World) -> list[Any]:
    """What waits to be published of memberships."""
    return [one for one in await waiting(world, "segment") if isinstance(one.body, SegmentEntered | SegmentExited)]


async def test_beside_services_that_go_on_nothing_is_lost_and_nothing_doubles(world: World) -> None:
    tag, spent, made = uuid4().hex[:6], dict[str, int](), dict[str, int]()
    chance = random.Random(tag)

    async def trade() -> None:
        for number in range(60):
            batch: list[Event] = []
            for _ in range(10):
                who, amount = f"{tag}-{chance.randrange(20)}", chance.randrange(1, 50_00)
                batch.append(order(who, f"{who}-{uuid4().hex}", amount, at=NOON - days(1)))
                spent[who] = spent.get(who, 0) + amount
                made[who] = made.get(who, 0) + 1
            if number % 20 == 10:
                one, other = f"{tag}-{number}", f"{tag}-m{number}"
                batch.append(event(CustomerIdentified(), user(other), at=NOON - days(2)))
                batch.append(event(PageViewed(path="/"), user(one), user(other), at=NOON, merges=True))
            await world.publish(batch)
            await asyncio.sleep(0.03)

    async with await world.serve():
        await world.publish(a_shop(tag + "-before")[0])
        await world.until_drained()
        await define(world, list(SEGMENTS))
        async with asyncio.TaskGroup() as tasks:
            trading, rebuilds = tasks.create_task(trade()), 0
            while not trading.done():
                for name in TABLES:
                    assert await world.rebuild(name) == 0
                rebuilds += 1
        await world.until_drained()
        assert rebuilds > 0
        for name in TABLES:
            assert await world.rebuild(name) == 0
        await world.until_drained()

    rows = await world.rows(
        "profile",
        "SELECT i.value, p.orders, (p.spend_minor->>'USD')::bigint, p.id FROM identities i "
        "LEFT JOIN profile_aliases a USING (profile_id) "
        "JOIN profiles p ON p.id = coalesce(a.canonical_id, i.profile_id) WHERE i.value = ANY(CAST(:who AS text[]))",
        who=list(spent),
    )
    assert {who: (count, cents) for who, count, cents, _ in rows} == {who: (made[who], spent[who]) for who in spent}
    figures = await world.rows(
        "segment", "SELECT profile_id, count(*), sum(net_minor)::bigint FROM orders WHERE counts GROUP BY 1"
    )
    at_segment = {who: (count, cents) for who, count, cents in figures}
    assert {who: at_segment[one] for who, _, _, one in rows} == {who: (made[who], spent[who]) for who in spent}
    exact = await world.dump()
    for name in TABLES:
        assert await world.rebuild(name) == 0
    assert await world.dump() == exact
    known = told(await turns(world))
    customers = {one for [one] in await world.rows("segment", "SELECT profile_id FROM standings")}
    members = await world.rows("segment", "SELECT profile_id, segment_id FROM memberships WHERE member")
    assert {key for key, inside in known.items() if inside and key[0] in customers} == set(members)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.any_broker
async def test_the_timeline_adds_up_to_what_is_stored(empty: World, seed: int) -> None:
    chance = random.Random(seed)
    events = some_events(chance, 150)
    while events:
        size = chance.choice([1, 7, 30])
        await take(empty.databases["profile"], events[:size])
        events = events[size:]
    exact = (await empty.dump(), await empty.outbox("profile"))

    assert await empty.rebuild("profile") == 0
    assert (await empty.dump(), await empty.outbox("profile")) == exact

    await empty.run("profile", "TRUNCATE profiles, orders, counts, profile_aliases, identities")
    assert await empty.rebuild("profile") == 0
    after = await empty.dump(without=("version",))
    assert after["profile.orders"] == exact[0]["profile.orders"]
    assert after["profile.counts"] == exact[0]["profile.counts"]
    assert after["profile.profile_aliases"] == exact[0]["profile.profile_aliases"]
    assert after["profile.identities"] == exact[0]["profile.identities"]
    assert await empty.outbox("profile") == exact[1]
    low = await empty.rows(
        "profile",
        "SELECT p.id FROM profiles p WHERE version <= (SELECT count(*) FROM timeline WHERE profile_id = p.id)",
    )
    assert low == [], "a row that was lost comes back above every version that was published"


async def test_refused_records_are_passed_over_as_the_service_did(world: World) -> None:
    await taken_in(world)
    nobodys = event(OrderPlaced(order_id="x", currency="USD", total_minor=1), user("nobody"))
    async with await world.serve():
        headers, value = wire.encode(nobodys)
        await world.producer.send(
            [
                Message(topic=PROFILE_EVENTS, key=b"x", value=value, headers=headers),
                Message(topic=PROFILE_EVENTS, key=b"x", value=b"garbage", headers=headers),
            ]
        )
        await produce_with_a_bad_name(world.bootstrap, PROFILE_EVENTS)
        await world.until_drained()
    exact = await world.dump()

    assert await world.rebuild("segment") == 0
    assert await world.dump() == exact


@pytest.mark.any_broker
async def test_a_log_that_is_not_whole_is_refused_unless_told_otherwise(
    copy: World, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = uuid4()
    for name in ("segment", "campaign", "feedback"):
        await copy.run(
            name,
            "INSERT INTO consumer_offsets (cluster_id, topic, generation, partition, epoch, next_offset) "
            "VALUES ('another', :topic, 1, 0, 1, 5)",
            topic=topics.PROFILES,
        )
    await copy.run("segment", "INSERT INTO standings (profile_id, tier, stage) VALUES (:id, 'gold', 'loyal')", id=kept)
    await copy.run("segment", "DELETE FROM orders")
    exact = await copy.dump()

    for name in ("segment", "campaign", "feedback"):
        assert await copy.rebuild(name) == 1
        assert "was read on another cluster, too (another); --partial" in capsys.readouterr().err
    assert await copy.dump() == exact

    assert await copy.rebuild("segment", "--partial") == 0
    [[there]] = await copy.rows("segment", "SELECT count(*) FROM standings WHERE profile_id = :id", id=kept)
    [[orders]] = await copy.rows("segment", "SELECT count(*) FROM orders")
    assert there == 1
    assert orders > 0


def test_a_topic_that_no_longer_begins_at_its_beginning_is_not_whole() -> None:
    place = Place("c", 1, topics.PROFILES, 3)
    assert why_not_whole({place: 0}, []) is None
    assert why_not_whole({place: 7}, []) == "records 0 to 6 of rapport.profiles.v1/3 are gone (retention)"


@pytest.mark.any_broker
async def test_a_service_that_has_read_nothing_is_not_emptied(empty: World) -> None:
    assert await empty.rebuild("segment") == 1


@pytest.mark.any_broker
async def test_two_rebuilds_at_once_do_not_take_each_others_shadow_away(
    empty: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async with empty.databases["profile"].work() as work:
        await work.rows("SELECT pg_advisory_xact_lock(:lock)", lock=LOCK)
        assert await empty.rebuild("profile") == 1
    assert "another rebuild is running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "failpoint"),
    [
        ("profile", "rebuild.after_identities"),
        ("profile", "rebuild.after_profiles"),
        ("segment", "rebuild.after_shadow"),
        ("segment", "rebuild.after_batch"),
        ("segment", "rebuild.after_cut_over"),
    ],
)
@pytest.mark.any_broker
async def test_a_rebuild_that_was_killed_ends_right_the_next_time(copy: World, name: str, failpoint: str) -> None:
    differing = (*DIFFERING, "evaluated_at", "values_at")  # the clock of a process goes on
    before = await copy.dump(without=differing)
    await copy.run(name, f"TRUNCATE {', '.join(TABLES[name])}")

    assert await in_a_process(copy, name, failpoint) == -signal.SIGKILL
    assert await in_a_process(copy, name, "") == 0

    assert await copy.dump(without=differing) == before
    assert await copy.rows(name, "SELECT 1 FROM pg_namespace WHERE nspname = 'rebuild'") == []
    assert await copy.outbox(name) == 0


async def in_a_process(world: World, name: str, failpoint: str) -> int:
    """The command line, its clock moved to the world's."""
    behind = world.clock.now() - SystemClock().now() + timedelta(seconds=1)
    environ = {key.upper(): str(value) for key, value in world.settings(name).items()}
    env = {**os.environ, **environ, "FAILPOINT": failpoint, "CLOCK_OFFSET_SECONDS": str(behind.total_seconds())}
    return (await run_command(name, "rebuild", env=env)).status


def test_segments_rebuild_hears_all_that_segment_hears() -> None:
    assert segment.PLAN.handlers.keys() >= HANDLERS.keys()
