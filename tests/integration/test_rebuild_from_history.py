"""Segment rebuilt from profile's history: on a new broker, behind profile, beside services that go on, and over a
connection that is cut.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest

from deploy.local.postgres import Postgres
from deploy.local.process import LOOPBACK, free_port
from services.profile.main import build as build_profile
from services.profile.settings import ProfileSettings
from services.segment import commands as segment
from services.segment.settings import SegmentSettings
from shared.contracts import topics
from shared.contracts.changes import ProfileChanged, ProfileSplit, TierChanged
from shared.contracts.envelope import SourceKind
from shared.contracts.events import OrderPlaced, PageViewed
from shared.contracts.history import Position, event_line, progress_line
from shared.history import History, HistoryAway, HistoryRefused, ProfileAddress, reading_history
from tests.integration.test_rebuild import TABLES, World, a_broker, taken_in, waiting
from tests.support.applications import PUBLIC_KEY, token
from tests.support.databases import Databases
from tests.support.events import NOON, days, event, message, order, user
from tests.support.running import eventually, running

SEGMENT: Final = segment.PLAN.tables


@asynccontextmanager
async def served(world: World) -> AsyncIterator[ProfileAddress]:
    """Profile's API, over HTTP."""
    port = free_port()
    settings = {**world.settings("profile"), "http_port": port, "auth_public_key": PUBLIC_KEY}
    async with running(build_profile(ProfileSettings(**settings), world.clock), roles=("api",)):
        yield ProfileAddress(f"http://{LOOPBACK}:{port}", token(scope="profile:read")["Authorization"].split()[1])


async def rebuild(world: World, profile: ProfileAddress) -> int:
    """`python -m services.segment rebuild` with PROFILE_URL and PROFILE_TOKEN."""
    settings = {**world.settings("segment"), "profile_url": profile.url, "profile_token": profile.token}
    return await segment.rebuild(SegmentSettings(**settings), (), world.clock)


async def rows_of_segment(world: World, *without: str) -> dict[str, Any]:
    return {table: await world.table("segment", table, without) for table in SEGMENT}


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> AsyncIterator[World]:
    """A shop whose customers merge, that every service has taken in. Nobody is connected to its databases."""
    async with a_broker(tmp_path_factory.mktemp("broker")) as broker:
        made = World(broker, {name: databases.url(name, await databases.take(name)) for name in TABLES})
        await taken_in(made)
        await made.close()
        yield made


@pytest.fixture
async def world(postgres: Postgres, shop: World) -> AsyncIterator[World]:
    """A copy of the shop, whose services do not run."""
    names = {name: f"history_{name}_{uuid4().hex[:12]}" for name in TABLES}
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
async def afterwards(world: World, tmp_path: Path) -> AsyncIterator[World]:
    """The same services after their broker was replaced by another, that has nothing."""
    async with a_broker(tmp_path / "another") as broker:
        made = World(broker, world.urls, world.clock)
        yield made
        await made.close()


async def test_on_a_new_broker_what_was_damaged_or_lost_is_what_it_was(
    afterwards: World, capsys: pytest.CaptureFixture[str]
) -> None:
    before = await rows_of_segment(afterwards, "version")
    await afterwards.run("segment", "UPDATE standings SET tier = 'diamond', version = version + 3 WHERE tier <> 'gold'")
    await afterwards.run("segment", "TRUNCATE orders, profile_aliases, customers, history, occurrences")
    assert await afterwards.rebuild("segment") == 1  # the topics alone have nothing

    async with served(afterwards) as profile:
        assert await rebuild(afterwards, profile) == 0
        assert await rows_of_segment(afterwards, "version") == before
        told = await waiting(afterwards, "segment")
        assert told
        assert {(one.historical, type(one.body)) for one in told} == {(True, TierChanged)}

        capsys.readouterr()
        exact = await rows_of_segment(afterwards)
        assert await rebuild(afterwards, profile) == 0
        assert "mended" not in capsys.readouterr().err
        assert await rows_of_segment(afterwards) == exact

        before = await rows_of_segment(afterwards, "version", "evaluated_at")
        await afterwards.run("segment", f"TRUNCATE {', '.join(SEGMENT)}")
        assert await rebuild(afterwards, profile) == 0
        assert await rows_of_segment(afterwards, "version", "evaluated_at") == before


async def test_what_segment_has_not_read_yet_is_left_to_it_and_told_as_new(world: World) -> None:
    before = await world.table("segment", "orders")
    who = f"late-{uuid4().hex[:6]}"
    async with await world.serve("profile"):
        await world.publish([order(who, f"{who}-{n}", 900_00, at=NOON - days(1)) for n in range(3)])
        spent = "SELECT 1 FROM profiles WHERE spend_minor = jsonb_build_object('USD', 270000)"
        await eventually(lambda: world.rows("profile", spent), bool)
        await eventually(lambda: world.outbox("profile"), lambda rows: rows == 0)
    async with served(world) as profile:
        assert await rebuild(world, profile) == 0
    assert await world.table("segment", "orders") == before
    assert await waiting(world, "segment") == []

    tiers = "SELECT tier FROM standings WHERE window_spend_minor = 270000"
    async with await world.serve("segment"):
        assert await eventually(lambda: world.rows("segment", tiers), bool) == [("diamond",)]
    async with await world.serve("campaign"):
        known = "SELECT value FROM standings WHERE kind = 'tier' AND value = 'diamond' AND profile_id = :who"
        [[who_id]] = await world.rows("profile", "SELECT profile_id FROM identities WHERE value = :who", who=who)
        await eventually(lambda: world.rows("campaign", known, who=who_id), bool)


async def test_beside_services_that_go_on_on_the_new_broker_nothing_is_lost_and_nothing_doubles(
    afterwards: World,
) -> None:
    tag, chance = uuid4().hex[:6], random.Random(5)

    async def trade() -> None:
        for number in range(25):
            batch = [
                order(f"{tag}-{chance.randrange(9)}", f"{tag}-{uuid4().hex}", chance.randrange(1, 90_00), at=NOON)
                for _ in range(8)
            ]
            if number % 8 == 5:
                one, other = f"{tag}-{number % 9}", f"{tag}-m{number}"
                batch.append(event(PageViewed(path="/"), user(other), at=NOON))
                batch.append(event(PageViewed(path="/"), user(one), user(other), at=NOON, merges=True))
            await afterwards.publish(batch)
            await asyncio.sleep(0.05)

    async with served(afterwards) as profile, await afterwards.serve():
        async with asyncio.TaskGroup() as tasks:
            trading = tasks.create_task(trade())
            while not trading.done():
                assert await rebuild(afterwards, profile) == 0
        await afterwards.until_drained()
        exact = await rows_of_segment(afterwards)
        at_profile = await afterwards.rows(
            "profile", "SELECT profile_id, order_id, net_minor FROM orders ORDER BY 1, 2"
        )
        at_segment = await afterwards.rows(
            "segment", "SELECT profile_id, order_id, net_minor FROM orders ORDER BY 1, 2"
        )
        assert at_segment == at_profile
        assert await rebuild(afterwards, profile) == 0
        assert await rows_of_segment(afterwards) == exact


class Cutting(httpx2.AsyncBaseTransport):
    """Answers what a service answers, and cuts some answers off anywhere, or refuses to answer for now."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, chance: random.Random) -> None:
        self._inner = inner
        self._chance = chance
        self.cuts = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        cut = self._chance.randrange(4)
        if cut == 0:
            self.cuts += 1
            return httpx2.Response(503)
        if cut == 1:
            self.cuts += 1
            raise httpx2.ConnectError("nobody there")
        kept = body if cut == 2 else body[: self._chance.randrange(len(body) + 1)]
        self.cuts += kept != body
        return httpx2.Response(response.status_code, content=kept)


async def test_a_connection_that_is_cut_again_and_again_brings_everything_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.history.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("shared.history.LONGEST_PAUSE_SECONDS", 0.001)
    made = build_profile(ProfileSettings(**{**world.settings("profile"), "auth_public_key": PUBLIC_KEY}), world.clock)
    assert made.app is not None
    for seed in range(10):
        transport = Cutting(httpx2.ASGITransport(app=made.app), random.Random(seed))
        headers = token(scope="profile:read")
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            history = History(client)
            events = [one async for part in history.events(None) for one in part.events]
            orders = [one async for part in history.events(2, types=[OrderPlaced]) for one in part.events]
            told = [one async for part in history.profiles() for one in part.events]
        [[timeline]] = await world.rows("profile", "SELECT count(*) FROM timeline")
        assert len({one.event_id for one in events}) == len(events) == timeline
        assert {type(one.body) for one in orders} <= {OrderPlaced}
        [[profiles]] = await world.rows("profile", "SELECT count(*) FROM profiles")
        [[merges]] = await world.rows("profile", "SELECT count(*) FROM profile_aliases")
        assert len({one.event_id for one in told}) == len(told) == profiles + merges
        assert transport.cuts > 0
    await made.database.close()


async def test_a_profile_that_refuses_or_is_away_says_so_and_changes_nothing(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = await rows_of_segment(world)
    async with served(world) as profile:
        wrong = token(scope="segment:read")["Authorization"].split()[1]
        for bad, words in ((wrong, "403 this needs the scope profile:read"), ("nonsense", "401 bearer token")):
            assert await rebuild(world, replace(profile, token=bad)) == 1
            assert words in capsys.readouterr().err
    monkeypatch.setattr("shared.rebuild.command.PROFILE_PATIENCE_SECONDS", 0.0)
    assert await rebuild(world, profile) == 1
    assert "profile's history" in capsys.readouterr().err
    assert await rows_of_segment(world) == exact


async def test_a_line_ends_with_a_newline_alone_and_what_this_release_does_not_know_stops_the_reader() -> None:
    odd = event(PageViewed(path="/\u2028\x85\x0b"), user("a"), origin=0, sequence=4)

    def answer(request: httpx2.Request) -> httpx2.Response:
        newer = request.url.params.get("partition") == "1"
        line = event_line(odd).replace(b"page_viewed.v2", b"page_dreamt.v9") if newer else event_line(odd)
        return httpx2.Response(200, content=line + progress_line("0:4", ended=True))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), base_url="http://test") as client:
        (part,) = [one async for one in History(client).events(0)]
        assert (part.events, part.position, part.ended) == ([odd], Position({0: 4}), True)
        with pytest.raises(HistoryRefused, match=r"rapport\.page_dreamt\.v9; upgrade this reader"):
            [one async for one in History(client).events(1)]


async def test_nobody_who_answers_for_so_long_is_away() -> None:
    address = ProfileAddress(f"http://{LOOPBACK}:{free_port()}", "a-token")
    async with reading_history(address, patience_seconds=0) as history:
        with pytest.raises(HistoryAway, match="/v1/profiles/export"):
            [one async for one in history.profiles()]


async def test_who_profile_parted_is_read_anew_by_the_running_service_and_a_rebuild_finds_nothing_to_mend(
    world: World,
) -> None:
    tag = uuid4().hex[:6]
    one, other = f"{tag}-one", f"{tag}-other"
    events = [
        *(order(one, f"{one}-{n}", 40_00, at=NOON - days(n)) for n in range(3)),
        event(PageViewed(path="/"), user(one), user(other), at=NOON, merges=True),
        *(order(other, f"{other}-{n}", 900_00, at=NOON - days(n)) for n in range(4)),
    ]
    async with await world.serve():
        await world.publish(events)
        await world.until_drained()
    [[joined]] = await world.rows("profile", "SELECT profile_id FROM identities WHERE value = :one", one=one)
    separated = uuid4()
    await part(world, joined, separated, [str(one.event_id) for one in events[4:]])

    async with served(world) as profile, running(world.service("segment", profile)):
        told = [
            event(ProfileSplit(profile_id=joined, separated=separated, at=NOON), profile_id=joined),
            event(_changed(separated), profile_id=separated, source_kind=SourceKind.SERVICE),
        ]
        await world.producer.send([message(topics.PROFILES, one) for one in told])
        tiers = "SELECT tier, orders FROM standings WHERE profile_id = :id"
        await eventually(lambda: world.rows("segment", tiers, id=separated), lambda rows: rows == [("diamond", 4)])
        await eventually(lambda: world.rows("segment", tiers, id=joined), lambda rows: rows == [("silver", 3)])
        await eventually(lambda: world.rows("segment", "SELECT 1 FROM rereads"), lambda rows: not rows)
        await eventually(lambda: world.outbox("segment"), lambda waiting: waiting == 0)
    async with served(world) as profile:
        before = await rows_of_segment(world, "version", "evaluated_at")
        assert await rebuild(world, profile) == 0
        after = await rows_of_segment(world, "version", "evaluated_at")
    # Profile did not count its figures anew, here.
    assert {**after, "customers": ()} == {**before, "customers": ()}


async def part(world: World, of: UUID, separated: UUID, events: Sequence[str]) -> None:
    """What profile will do: these events are another customer's from now on. Its figures are not looked at here."""
    await world.run(
        "profile",
        "INSERT INTO profiles SELECT (jsonb_populate_record(p, jsonb_build_object('id', CAST(:separated AS uuid)))).* "
        "FROM profiles p WHERE id = :of",
        of=of,
        separated=separated,
    )
    await world.run(
        "profile",
        "UPDATE timeline SET profile_id = :separated WHERE event_id = ANY(CAST(:events AS uuid[]))",
        separated=separated,
        events=list(events),
    )


def _changed(profile_id: UUID) -> ProfileChanged:
    return ProfileChanged(profile_id=profile_id, version=1, first_seen=NOON, last_seen=NOON)
