"""Segment on real PostgreSQL: orders come in, time passes, profiles merge, and standings follow."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.segment.domain import standing as domain
from services.segment.repository import standings as repository
from services.segment.service import standings as service
from shared.contracts import orders, topics, wire
from shared.contracts.changes import ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind, Stamp
from shared.contracts.events import Body, OrderCancelled, OrderPlaced, OrderRefunded
from shared.database.database import Database, Work
from shared.errors import Refused
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.events import NOON, days, event

ANN, BOB = UUID(int=1), UUID(int=2)


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of segment."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    await made.close()


@asynccontextmanager
async def at(database: Database, now: datetime = NOON) -> AsyncIterator[Work]:
    """One transaction at a moment."""
    async with database.work() as work:
        work.now = now
        yield work


def fact(body: Body, customer: UUID = ANN, **changes: Any) -> Event:
    return event(body, profile_id=customer, **changes)


def placed(order_id: str, total_minor: int, customer: UUID = ANN, **changes: Any) -> Event:
    return fact(OrderPlaced(order_id=order_id, currency="USD", total_minor=total_minor), customer, **changes)


def refund(order_id: str, amount_minor: int, customer: UUID = ANN, **changes: Any) -> Event:
    body = OrderRefunded(order_id=order_id, refund_id="R-1", currency="USD", amount_minor=amount_minor)
    return fact(body, customer, **changes)


def merge(loser: UUID, survivor: UUID) -> Event:
    return event(ProfileMerged(loser=loser, survivor=survivor), profile_id=survivor, source_kind=SourceKind.SERVICE)


async def published(database: Database) -> list[Event]:
    """What waits in the outbox, in order."""
    async with database.work() as work:
        rows = await work.rows(
            "SELECT headers::text AS headers, value FROM outbox WHERE topic = :topic ORDER BY id", topic=topics.SEGMENTS
        )
    return [
        wire.decode([(name, text.encode()) for name, text in msgspec.json.decode(row.headers).items()], row.value)
        for row in rows
    ]


async def changes(database: Database) -> list[tuple[str | None, str]]:
    """From what to what, for each change published."""
    found = []
    for one in await published(database):
        assert isinstance(one.body, TierChanged | StageChanged)
        found.append((one.body.previous, one.body.current))
    return found


async def stands(database: Database, customer: UUID = ANN) -> dict[str, Any]:
    """Where a customer stands, without what depends on how often it was looked at."""
    async with database.work() as work:
        found = msgspec.structs.asdict((await service.standing(work, customer)).stored)
    return {name: value for name, value in found.items() if name not in ("version", "evaluated_at")}


async def everything(database: Database) -> list[Any]:
    async with database.work() as work:
        orders = await work.rows("SELECT * FROM orders ORDER BY profile_id, order_id")
        standings = await work.rows(
            "SELECT profile_id, tier, tier_reason, stage, recency, frequency, monetary, orders, window_spend_minor, "
            "last_order_at, due_at FROM standings ORDER BY profile_id"
        )
    return [tuple(row) for row in [*orders, *standings]]


async def test_an_order_lifts_tier_and_stage_and_both_changes_carry_its_time(database: Database) -> None:
    first = placed("A-1", 300_00, at=NOON - timedelta(hours=1))
    async with at(database) as work:
        await service.fold_orders(work, [first])

    assert await changes(database) == [("bronze", "gold"), ("prospect", "new")]
    for one in await published(database):
        assert (one.occurred_at, one.historical, one.cause_id) == (first.occurred_at, False, first.event_id)
    changed = [one.body for one in await published(database) if isinstance(one.body, TierChanged | StageChanged)]
    assert [(one.version, one.by_time, one.order_id) for one in changed] == [(1, False, "A-1"), (2, False, "A-1")]


@pytest.mark.parametrize("placed_at", [NOON - days(200), None], ids=["stated", "known"])
async def test_an_old_order_that_is_stated_again_makes_changes_as_old_as_the_order(
    database: Database, placed_at: datetime | None
) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 20_00, at=NOON - days(200), historical=True)])
    touched = fact(OrderPlaced(order_id="A-1", currency="USD", total_minor=300_00, placed_at=placed_at), at=NOON)
    async with at(database) as work:
        await service.fold_orders(work, [touched])

    tiers = [one for one in await published(database) if isinstance(one.body, TierChanged)]
    assert [(one.occurred_at, one.received_at, one.historical) for one in tiers] == [
        (NOON - days(200), touched.received_at, False)
    ]


async def test_an_order_that_is_stated_twice_in_one_batch_is_as_old_as_the_first(database: Database) -> None:
    first, again = placed("A-1", 20_00, at=NOON - days(2)), placed("A-1", 300_00, at=NOON)
    async with at(database) as work:
        await service.fold_orders(work, [again, first])

    assert {one.occurred_at for one in await published(database)} == {first.occurred_at}


@pytest.mark.parametrize("turn", [1, -1])
async def test_a_new_order_does_not_hide_behind_an_old_one_that_is_stated_again(database: Database, turn: int) -> None:
    old = OrderPlaced(order_id="A-1", currency="USD", total_minor=10_00, placed_at=NOON - days(200))
    new = placed("A-2", 300_00, at=NOON - timedelta(hours=1))
    async with at(database) as work:
        await service.fold_orders(work, [fact(old, at=NOON), new][::turn])

    assert {one.occurred_at for one in await published(database)} == {new.occurred_at}
    assert {one.cause_id for one in await published(database)} == {new.event_id}


async def test_taking_the_same_orders_in_again_changes_and_publishes_nothing(database: Database) -> None:
    orders = [placed("A-1", 300_00), refund("A-1", 5_00)]
    for _ in range(2):
        async with at(database) as work:
            await service.fold_orders(work, orders)

    assert len(await changes(database)) == 2
    assert (await stands(database))["window_spend_minor"] == 295_00


async def test_the_order_and_batching_of_facts_do_not_matter(database_factory: DatabaseFactory) -> None:
    facts = [
        placed("A-1", 300_00, at=NOON - days(200)),
        refund("A-1", 150_00, at=NOON - days(100)),
        placed("A-2", 90_00, at=NOON - days(5)),
        fact(OrderCancelled(order_id="A-2"), at=NOON - days(1)),
    ]
    found = []
    database = Database(await database_factory("segment"), application="test", clock=SystemClock())
    for order in itertools.permutations(facts):
        for size in (1, 3):
            for start in range(0, len(order), size):
                async with at(database) as work:
                    await service.fold_orders(work, order[start : start + size])
            found.append(await everything(database))
            async with at(database) as work:
                await work.run("TRUNCATE standings, orders, outbox")
    await database.close()

    assert all(one == found[0] for one in found)


async def test_a_refund_that_came_before_its_order_lowers_the_tier(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [refund("A-1", 250_00)])
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00)])

    assert (await stands(database))["tier"] == "bronze"


async def test_a_late_refund_takes_the_tier_back_with_its_own_time(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00, at=NOON - days(2))])
    back = refund("A-1", 250_00, at=NOON - days(1))
    async with at(database) as work:
        await service.fold_orders(work, [back])

    last = (await published(database))[-1]
    assert isinstance(last.body, TierChanged)
    assert (last.body.current, last.body.direction) == ("bronze", "down")
    assert last.occurred_at == back.occurred_at


async def test_historical_orders_publish_historical_changes(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00, at=NOON - days(40), historical=True)])

    assert [one.historical for one in await published(database)] == [True, True]


@pytest.mark.parametrize("turn", [1, -1])
async def test_a_live_order_does_not_hide_behind_a_replayed_one(database: Database, turn: int) -> None:
    live, old = placed("A-1", 300_00), placed("A-0", 1_00, at=NOON - days(40), historical=True)
    async with at(database) as work:
        await service.fold_orders(work, [live, old][::turn])

    assert {one.historical for one in await published(database)} == {False}


async def test_an_order_in_another_currency_is_an_order_without_spend(database: Database) -> None:
    body = OrderPlaced(order_id="A-1", currency="CNY", total_minor=900_000_00)
    async with at(database) as work:
        await service.fold_orders(work, [fact(body)])

    found = await stands(database)
    assert (found["tier"], found["stage"], found["window_spend_minor"]) == ("bronze", "new", 0)


async def test_a_claim_moves_nobody(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00, unverified=True)])

    assert await changes(database) == []


async def test_an_event_that_no_profile_owns_is_refused(database: Database) -> None:
    with pytest.raises(Refused, match="profile_id"):
        async with at(database) as work:
            await service.fold_orders(work, [event(OrderPlaced(order_id="1", currency="USD", total_minor=1))])


async def test_a_customer_seen_for_the_first_time_is_a_prospect(database: Database) -> None:
    body = ProfileChanged(profile_id=ANN, version=1, first_seen=NOON, last_seen=NOON)
    async with at(database) as work:
        await service.follow(work, [fact(body)] * 2)

    found = await stands(database)
    assert (found["tier"], found["stage"], found["due_at"]) == ("bronze", "prospect", None)


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(3))))
async def test_a_merge_before_between_or_after_the_orders_gives_the_same_standing(
    database: Database, sequence: Sequence[int]
) -> None:
    steps: list[tuple[Callable[[Work, Sequence[Event]], Awaitable[object]], list[Event]]] = [
        (service.fold_orders, [placed("A-1", 200_00, ANN, at=NOON - days(3)), placed("B-1", 1_00, ANN)]),
        (service.fold_orders, [placed("B-1", 60_00, BOB, at=NOON - days(2)), refund("A-1", 1_00, BOB)]),
        (service.follow, [merge(BOB, ANN)]),
    ]
    for step in sequence:
        handler, events = steps[step]
        async with at(database) as work:
            await handler(work, events)

    found = await stands(database)
    # B-1 was told twice, and the later word (1.00) stands.
    assert (found["tier"], found["stage"], found["window_spend_minor"]) == ("silver", "active", 200_00)
    assert await stands(database, BOB) == found
    async with database.work() as work:
        assert [row.profile_id for row in await work.rows("SELECT DISTINCT profile_id FROM orders")] == [ANN]


async def test_a_merge_makes_no_change_newer_than_the_newest_order_that_it_joins(database: Database) -> None:
    async with at(database) as work:
        await service.follow(work, [event(ProfileMerged(loser=UUID(int=7), survivor=ANN), profile_id=ANN)])
        await service.fold_orders(work, [placed("A-1", 300_00, BOB, at=NOON - days(200), historical=True)])
    async with at(database) as work:
        await service.follow(work, [merge(BOB, ANN)])

    of_ann = [one for one in await published(database) if one.profile_id == ANN]
    assert {one.occurred_at for one in of_ann} == {NOON - days(200)}
    assert {one.historical for one in of_ann} == {False}


async def test_a_chain_of_merges_in_any_order_ends_at_one_customer(database_factory: DatabaseFactory) -> None:
    cat = UUID(int=3)
    merges = [merge(cat, BOB), merge(BOB, ANN)]
    for turn in (1, -1):
        database = Database(await database_factory("segment"), application="test", clock=SystemClock())
        async with at(database) as work:
            await service.fold_orders(
                work, [placed("C-1", 60_00, cat), placed("B-1", 60_00, BOB), placed("A-1", 1, ANN)]
            )
        for one in [*merges[::turn], *merges]:
            async with at(database) as work:
                await service.follow(work, [one])
        for customer in (ANN, BOB, cat):
            assert (await stands(database, customer))["window_spend_minor"] == 120_01
        await database.close()


async def test_time_publishes_each_change_once_at_the_instant_it_became_true(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00)])
    before = len(await published(database))

    late = NOON + days(400)
    async with at(database, late) as work:
        assert await service.flip_due(work, late) == 1
    async with at(database, late) as work:
        assert await service.flip_due(work, late) == 0

    found = (await published(database))[before:]
    assert [
        (one.body.current, one.occurred_at - NOON) for one in found if isinstance(one.body, TierChanged | StageChanged)
    ] == [
        ("active", days(30)),
        ("at_risk", days(90)),
        ("churned", days(180)),
        ("bronze", days(365)),
    ]
    assert {(one.historical, one.received_at) for one in found} == {(False, late)}
    assert {one.body.by_time for one in found if isinstance(one.body, TierChanged | StageChanged)} == {True}
    assert len({one.event_id for one in found}) == len(found)
    assert (await stands(database))["due_at"] is None


async def test_looking_often_or_once_publishes_the_same_changes(database_factory: DatabaseFactory) -> None:
    found = []
    for step in (1, 37, 400):
        database = Database(await database_factory("segment"), application="test", clock=SystemClock())
        async with at(database) as work:
            await service.fold_orders(work, [placed("A-1", 300_00), placed("A-2", 60_00, at=NOON - days(100))])
        for day in range(step, 401, step):
            async with at(database, NOON + days(day)) as work:
                await service.flip_due(work, NOON + days(day))
        async with at(database, NOON + days(400)) as work:
            await service.flip_due(work, NOON + days(400))
        found.append([(one.event_id, one.body, one.occurred_at) for one in await published(database)])
        await database.close()

    ids = [[(body, when) for _, body, when in one] for one in found]
    assert ids[0] == ids[1] == ids[2]


async def test_nothing_flips_before_its_time(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00)])
    early = NOON + days(30) - timedelta(microseconds=1)

    async with at(database, early) as work:
        assert await service.flip_due(work, early) == 0


async def test_a_customer_whom_another_works_on_is_left_for_later(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 1_00), placed("B-1", 1_00, BOB)])
    later = NOON + days(31)

    async with at(database, later) as holder:
        await repository.lock(holder, [ANN])
        async with at(database, later) as work:
            assert await service.flip_due(work, later) == 1
    async with at(database, later) as work:
        assert await service.flip_due(work, later) == 1


async def test_what_is_stored_is_what_the_rules_say(database: Database) -> None:
    bought = [placed(f"A-{age}", 70_00, at=NOON - days(age)) for age in (1, 50, 150, 364, 366)]
    async with at(database) as work:
        await service.fold_orders(work, bought)
    expected = domain.standing(domain.DEFAULT_POLICY, [domain.Purchase(one.occurred_at, 70_00) for one in bought], NOON)

    assert await stands(database) == {"profile_id": ANN} | msgspec.structs.asdict(expected)


async def test_counts_name_every_tier_and_stage(database: Database) -> None:
    async with at(database) as work:
        await service.fold_orders(work, [placed("A-1", 300_00)])
        _, tiers, stages = await service.counts(work)

    assert tiers == {"bronze": 0, "silver": 0, "gold": 1, "diamond": 0}
    assert stages == {stage.value: int(stage is domain.Stage.NEW) for stage in domain.Stage}


async def test_a_customer_whom_nobody_knows_has_no_standing(database: Database) -> None:
    async with at(database) as work:
        with pytest.raises(service.UnknownCustomer):
            await service.standing(work, UUID(int=404))


@pytest.mark.parametrize("first", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_an_order_of_the_calendars_end_that_was_kept_before_holds_nobody_up(
    database: Database, first: datetime
) -> None:
    # Readers refuse such a record now; one that an earlier release took in lies in the table.
    old = orders.Order(placed=orders.Placed(Stamp(1, first, UUID(int=1)), "USD", 5, None))
    async with at(database) as work:
        await repository.save_orders(work, {(ANN, "old"): old})
        await service.fold_orders(work, [placed("new", 200_00)])
        await service.flip_due(work, NOON + days(400))
        found = (await service.standing(work, ANN)).stored
    assert (found.tier, found.orders) == ("bronze", 1 + (first.year == 1))
