"""The history that profile hands on: each event as it was published, once, whatever happens while it is read."""

import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from deploy.local.postgres import Postgres
from services.profile.repository import history as repository
from services.profile.service import history
from services.profile.service.fold import fold_events
from shared.contracts import orders, topics
from shared.contracts.changes import OrderReassigned, ProfileChanged, ProfileMerged
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced
from shared.contracts.history import LAST_ID, Position, Progress, position_of, read_line
from shared.contracts.orders import Order
from shared.contracts.topics import PARTITIONS
from shared.database import migrate
from shared.database.database import Database
from shared.kafka.producer import key_place
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_orders_that_move import payment, snapshot
from tests.integration.test_profile_service import empty, merged, published, view
from tests.support.applications import asking, build, token
from tests.support.events import NOON, days, order, user

ORIGINS = (0, 1, 4)
SEEDS = range(6)
READER = token(scope="profile:read")


@pytest.fixture
async def service(database_factory: DatabaseFactory) -> AsyncIterator[process.Service]:
    """Profile, wired, with an empty database."""
    made = build("profile", await database_factory("profile"))
    yield made
    await made.database.close()


def some_events(chance: random.Random, number: int) -> list[Event]:
    """Views, orders, moves of orders, payments and merges of a few customers."""
    found: list[Event] = []
    for step in range(number):
        who, other = chance.randrange(8), chance.randrange(8)
        match chance.randrange(7):
            case 0:
                found.append(merged(user(who), user(other)))
            case 1:
                found.append(order(who, chance.randrange(9), 100 + step))
            case 2:
                found.append(payment(f"p{chance.randrange(5)}", f"o{chance.randrange(4)}", f"c{who}", 100))
            case 3 | 4:
                named = (f"p{chance.randrange(5)}",) if chance.random() < 0.5 else ()
                told = snapshot(f"o{chance.randrange(4)}", f"c{who}", 100 + step, day=step, payment_refs=named)
                found.append(told)
            case _:
                found.append(view(f"/{step}", user(who)))
    return found


async def fold(database: Database, events: Sequence[Event], chance: random.Random) -> None:
    """Takes events in, in batches of whichever origin."""
    rest = list(events)
    while rest:
        size = chance.randrange(1, 6)
        batch, rest = rest[:size], rest[size:]
        async with database.work() as work:
            work.origin = chance.choice((*ORIGINS, None))
            await fold_events(work, batch)


async def lines(service: process.Service, *, after: str = "", **query: Any) -> tuple[list[Event], list[Progress]]:
    """What the stream says: the events, and how far it has come."""
    async with asking(service, READER) as client:
        asked = {name: value for name, value in {"after": after, **query}.items() if value != ""}
        answer = await client.get("/v1/timeline/export", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    found = [read_line(line) for line in answer.content.splitlines()]
    assert isinstance(found[-1], Progress)
    assert found[-1].ended
    return (
        [one for one in found if isinstance(one, Event)],
        [one for one in found if isinstance(one, Progress)],
    )


async def aliases_of(database: Database) -> dict[UUID, UUID]:
    async with database.work() as work:
        rows = await work.rows("SELECT profile_id, canonical_id FROM profile_aliases")
    return {row.profile_id: row.canonical_id for row in rows}


def as_of_now(event: Event, now: Mapping[UUID, UUID]) -> Event:
    """A published event, under the ids of those who stand for its customers now."""
    assert event.profile_id is not None
    body = event.body
    if isinstance(body, OrderReassigned):
        body = msgspec.structs.replace(
            body,
            from_profile=now.get(body.from_profile, body.from_profile),
            to_profile=now.get(body.to_profile, body.to_profile),
        )
    owner = now.get(event.profile_id, event.profile_id)
    return msgspec.structs.replace(event, profile_id=owner, body=body, traceparent=None)


def place_of(event: Event) -> int:
    assert event.profile_id is not None
    return key_place(event.profile_id.bytes, PARTITIONS).partition


def order_rows(events: Iterable[Event]) -> dict[tuple[UUID, str], Order]:
    """What a reader of orders keeps, who knows by now who stands for whom."""
    rows: dict[tuple[UUID, str], Order] = {}

    def add(profile_id: UUID, key: str, facts: Order) -> None:
        rows[profile_id, key] = orders.merge(rows.get((profile_id, key), Order()), facts)

    for event in events:
        assert event.profile_id is not None
        if isinstance(event.body, OrderReassigned):
            if event.profile_id == event.body.from_profile:
                add(event.profile_id, event.body.from_order, event.body.mark)
            if event.profile_id == event.body.to_profile:
                add(event.profile_id, event.body.to_order, event.body.order)
        elif (key := orders.order_key(event)) is not None and not event.unverified:
            add(event.profile_id, key, orders.order_of(event))
    return {key: one for key, one in rows.items() if one != Order()}


async def stored_orders(database: Database) -> dict[tuple[UUID, str], Order]:
    async with database.work() as work:
        rows = await work.rows("SELECT profile_id, order_id, CAST(facts AS text) AS facts FROM orders")
    return {(row.profile_id, row.order_id): msgspec.json.decode(row.facts, type=Order) for row in rows}


async def test_each_partition_gives_what_was_published_there_in_its_order_under_the_customers_of_now(
    service: process.Service,
) -> None:
    for seed in SEEDS:
        chance = random.Random(seed)
        await empty(service.database)
        await fold(service.database, some_events(chance, 40), chance)
        told = await published(service.database, topics.PROFILE_EVENTS)
        now = await aliases_of(service.database)
        everything: list[Event] = []
        for partition in range(PARTITIONS):
            events, progress = await lines(service, partition=partition)
            here = [as_of_now(one, now) for one in told if place_of(one) == partition]
            assert events == sorted(here, key=lambda one: (one.origin, one.sequence))
            end = position_of(progress[-1].position)
            assert all(end.has(one) for one in told)
            everything += events
        assert order_rows(everything) == await stored_orders(service.database)
        whole, _ = await lines(service)
        assert whole == sorted(everything, key=lambda one: (one.origin, one.sequence))


async def test_a_stream_that_is_cut_off_anywhere_goes_on_from_where_its_reader_has_come(
    service: process.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVENTS", 3)
    monkeypatch.setattr(history, "LOOKED_AT", 4)
    monkeypatch.setattr(repository, "PAGE_BYTES", 600)  # two bodies, and less than some
    chance = random.Random(7)
    await fold(service.database, some_events(chance, 30), chance)
    await forget_lanes(service.database)
    await fold(service.database, some_events(chance, 30), chance)
    whole, _ = await lines(service, partition=2)
    for cut in range(len(whole)):
        position = Position()
        for event in whole[:cut]:
            position = position.past(event)
        rest, _ = await lines(service, partition=2, after=str(position))
        assert whole[:cut] + rest == whole


async def test_a_reader_goes_live_where_the_positions_meet_and_has_every_event_once(service: process.Service) -> None:
    for seed in SEEDS:
        chance = random.Random(100 + seed)
        await empty(service.database)
        await fold(service.database, some_events(chance, 25), chance)
        came_live = len(await published(service.database, topics.PROFILE_EVENTS))  # where its live reading begins
        await fold(service.database, some_events(chance, chance.randrange(15)), chance)
        had: list[UUID] = []
        marks: dict[int, Position] = {}
        for partition in range(PARTITIONS):  # events go on coming in, and customers are merged, while it reads
            events, progress = await lines(service, partition=partition)
            had += [one.event_id for one in events]
            marks[partition] = position_of(progress[-1].position)
            await fold(service.database, some_events(chance, chance.randrange(6)), chance)
        told = await published(service.database, topics.PROFILE_EVENTS)
        for event in told[chance.randrange(came_live + 1) :]:  # from there, or from earlier: nothing counts twice
            partition = place_of(event)
            if not marks[partition].has(event):
                assert event.origin is not None
                assert event.sequence is not None
                marks[partition] = marks[partition].moved(event.origin, event.sequence)
                had.append(event.event_id)
        assert sorted(had) == sorted(one.event_id for one in told)


async def forget_lanes(database: Database) -> None:
    """Makes everything that is there of a release that kept no lanes."""
    async with database.work() as work:
        for table in ("timeline", "reassignments"):
            await work.run(f"UPDATE {table} SET partition = NULL, origin = NULL, sequence = NULL")


async def test_events_of_before_sequences_were_kept_come_first_each_in_one_partition_though_customers_merge(
    service: process.Service,
) -> None:
    for seed in SEEDS:
        chance = random.Random(200 + seed)
        await empty(service.database)
        await fold(service.database, some_events(chance, 25), chance)
        old = {one.event_id for one in await published(service.database, topics.PROFILE_EVENTS)}
        await forget_lanes(service.database)
        had: list[Event] = []
        for partition in range(PARTITIONS):
            events, progress = await lines(service, partition=partition)
            numbered = [one.event_id in old for one in events]
            assert numbered == sorted(numbered, reverse=True)
            assert position_of(progress[-1].position).old == LAST_ID
            had += events
            await fold(service.database, [merged(user(chance.randrange(8)), user(chance.randrange(8)))], chance)
        assert sorted(one.event_id for one in had if one.event_id in old) == sorted(old)
        now = await aliases_of(service.database)
        assert order_rows(as_of_now(one, now) for one in had) == await stored_orders(service.database)


async def test_only_types_that_are_asked_for_come_and_the_position_is_that_of_all(
    service: process.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVENTS", 4)
    chance = random.Random(11)
    await fold(service.database, some_events(chance, 40), chance)
    whole, all_progress = await lines(service)
    some, progress = await lines(service, types="order_placed,order_reassigned")
    assert some == [one for one in whole if isinstance(one.body, OrderPlaced | OrderReassigned)]
    assert progress[-1] == all_progress[-1]
    assert (await lines(service, after=progress[-1].position))[0] == []


async def test_a_mark_that_was_kept_before_the_upgrade_is_told(postgres: Postgres) -> None:
    name = f"test_marks_{uuid4().hex[:12]}"
    url = await postgres.create_database(name, "rapport_profile")
    await migrate.upgrade("profile", url, version="0009")
    mark, customer = Order(told="shop's order"), uuid4()
    database = Database(url, application="test", clock=SystemClock())
    async with database.work() as work:
        await work.run(
            "INSERT INTO order_marks (profile_id, order_id, mark) VALUES (:id, 'p1', CAST(:mark AS jsonb))",
            id=customer,
            mark=msgspec.json.encode(mark).decode(),
        )
    await database.close()
    await migrate.upgrade("profile", url)
    made = build("profile", url)
    try:
        events, _ = await lines(made)
    finally:
        await made.database.close()
        await postgres.drop_database(name)
    assert order_rows(events) == {(customer, "p1"): mark}


async def test_profiles_are_told_as_they_stand_with_all_merges_before_them(
    service: process.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PROFILES", 2)
    chance = random.Random(13)
    joined = [merged(user(one), user(one + 1)) for one in (0, 2, 4)]
    await fold(service.database, [view("/", user(one)) for one in range(8)], chance)
    await fold(service.database, [*some_events(chance, 40), *joined], chance)
    newest: dict[UUID, ProfileChanged] = {}
    for one in await published(service.database, topics.PROFILES):
        if isinstance(one.body, ProfileChanged):
            known = newest.get(one.body.profile_id)
            newest[one.body.profile_id] = one.body if known is None or known.version < one.body.version else known
    now = await aliases_of(service.database)

    async def told(after: str = "") -> list[Event]:
        async with asking(service, READER) as client:
            answer = await client.get("/v1/profiles/export", params={"after": after} if after else {})
        found = [read_line(line) for line in answer.content.splitlines()]
        assert isinstance(found[-1], Progress)
        assert found[-1].ended
        return [one for one in found if isinstance(one, Event)]

    whole = await told()
    assert len(now) > 2
    merges = [one.body for one in whole if isinstance(one.body, ProfileMerged)]
    assert {one.loser: one.survivor for one in merges} == now
    assert [one.body for one in whole[: len(merges)]] == merges
    changes = {one.body.profile_id: one.body for one in whole if isinstance(one.body, ProfileChanged)}
    assert changes == {one: body for one, body in newest.items() if one not in now}
    for cut, event in enumerate(whole):
        at = f"merge:{event.body.loser}" if isinstance(event.body, ProfileMerged) else f"profile:{event.profile_id}"
        rest = await told(at)
        assert [one.body for one in rest] == [one.body for one in whole[cut + 1 :]]


async def test_an_event_comes_as_whole_as_it_was_published(service: process.Service) -> None:
    one = order(
        *("ann", "o1"),
        at=NOON,
        historical=True,
        received_at=NOON + days(1),
        stated_at=NOON - days(1),
        cause_id=uuid4(),
        depth=2,
        source_version=7,
        undated=True,
        space="shop-a",
    )
    await fold(service.database, [one], random.Random(1))
    (told,) = await published(service.database, topics.PROFILE_EVENTS)
    assert (await lines(service))[0] == [told]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_customers_own_stream_has_what_the_whole_has_of_them_under_any_of_their_ids(
    service: process.Service, seed: int
) -> None:
    chance = random.Random(seed)
    await fold(service.database, some_events(chance, 60), chance)
    whole, _ = await lines(service)
    now = await aliases_of(service.database)
    owners = {one.profile_id for one in whole if one.profile_id}

    async with asking(service, READER) as client:
        for asked in [*owners, *now, uuid4()]:
            answer = await client.get(f"/v1/timeline/export/{asked}")
            *events, end = [read_line(line) for line in answer.content.splitlines()]
            assert end == Progress("", ended=True)
            root = now.get(asked, asked)
            assert by_id(events) == by_id(one for one in whole if one.profile_id == root)


def by_id(events: Iterable[Any]) -> list[Event]:
    """Events in one order, without what depends on the order in which they were told."""
    return sorted(events, key=lambda one: (one.event_id, type(one.body).__name__))


async def test_the_ends_are_where_a_reader_is_who_has_everything(service: process.Service) -> None:
    chance = random.Random(7)
    await fold(service.database, some_events(chance, 40), chance)
    ends: list[dict[int, int]] = [{} for _ in range(PARTITIONS)]
    for one in await published(service.database, topics.PROFILE_EVENTS):
        assert one.origin is not None
        assert one.sequence is not None
        of = ends[place_of(one)]
        of[one.origin] = max(of.get(one.origin, -1), one.sequence)

    async with asking(service, READER) as client:
        answer = await client.get("/v1/timeline/ends")
    assert [position_of(one) for one in answer.json()["ends"]] == [Position(of, LAST_ID) for of in ends]
