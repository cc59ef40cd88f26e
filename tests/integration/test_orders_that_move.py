"""Orders that move from customer to customer, payments that a shop tells, and equal ids of different events: profile on
real PostgreSQL, with what segment makes of the same events.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.profile.service import read
from services.profile.service.fold import fold_events
from services.profile.service.rebuild import NOBODY, mend_profiles
from services.segment.service import policies, standings
from shared.contracts import topics
from shared.contracts.changes import OrderReassigned, ProfileChanged
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced, OrderRefund, OrderRefunded, PageViewed
from shared.contracts.identity import Identity, Namespace, user_ids_of
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_profile_service import batch, published, take
from tests.support.events import NOON, days, event

SHOP, STRIPE = str(UUID(int=0x50)), str(UUID(int=0x51))


@pytest.fixture
async def profile(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def fold(database: Database, *events: Event) -> None:
    """One batch, which nothing else gets in the way of."""
    async with batch(database) as work:
        await fold_events(work, events)


def customer(name: str) -> tuple[Identity, Identity]:
    """Of a shop that numbers its customers itself."""
    return Identity(user_ids_of("shop-a"), name), Identity(Namespace.EMAIL, f"{name}@example.com")


def snapshot(order: str, who: str, total_minor: int, *, day: float, refunded: int = 0, **fields: Any) -> Event:
    """A shop's whole word on an order."""
    body = OrderPlaced(
        order_id=order,
        currency="USD",
        total_minor=total_minor,
        state=fields.pop("state", "placed"),
        whole=True,
        refunds=(OrderRefund(refund_id="R", amount_minor=refunded),) if refunded else (),
        payment_refs=fields.pop("payment_refs", ()),
    )
    return event(body, *customer(who), at=NOON + days(day), source_id=SHOP, space="shop-a", **fields)


def payment(name: str, order: str, who: str, amount_minor: int, **fields: Any) -> Event:
    """A payment provider's word on a payment."""
    body = OrderPlaced(
        order_id=order,
        currency="USD",
        total_minor=amount_minor,
        state="placed",
        payment_id=name,
        payment_refs=(name,),
    )
    return event(body, customer(who)[1], source_id=STRIPE, **fields)


async def spend(database: Database, who: str) -> tuple[int, int]:
    """How many orders of a customer count, and what was paid and not given back, in USD minor units."""
    async with database.work() as work:
        found = await read.profile(work, await read.resolve(work, f"email:{who}@example.com"))
    return found["orders"], found["spend_minor"].get("USD", 0)


async def owned(database: Database, body: type[Any]) -> list[Event]:
    """The facts of this type that are published with their owner."""
    return [one for one in await published(database, topics.PROFILE_EVENTS) if isinstance(one.body, body)]


async def test_an_order_whose_customer_was_corrected_leaves_the_wrong_one(profile: Database) -> None:
    name = uuid4().hex[:8]
    await fold(profile, snapshot("1001", f"ann{name}", 60_00, day=0), snapshot("1002", f"ann{name}", 5_00, day=0))
    await fold(profile, snapshot("1001", f"bob{name}", 60_00, day=1))

    assert await spend(profile, f"ann{name}") == (1, 5_00)
    assert await spend(profile, f"bob{name}") == (1, 60_00)


async def test_in_any_order_of_delivery_an_order_is_whose_the_newest_snapshot_says(profile: Database) -> None:
    for order in itertools.permutations(range(3)):
        name = uuid4().hex[:8]
        words = [
            snapshot(name, f"ann{name}", 60_00, day=0),
            snapshot(name, f"bob{name}", 60_00, day=1),
            snapshot(name, f"ann{name}", 50_00, day=2),
        ]
        for n in order:
            await fold(profile, words[n])

        assert (order, await spend(profile, f"ann{name}")) == (order, (1, 50_00))
        assert (order, await spend(profile, f"bob{name}")) == (order, (0, 0))


async def test_two_shops_and_two_sources_of_one_space_keep_their_own_orders(profile: Database) -> None:
    name = uuid4().hex[:8]
    ann, bob = snapshot(name, f"ann{name}", 60_00, day=0), snapshot(name, f"bob{name}", 40_00, day=1)
    await fold(profile, ann, msgspec.structs.replace(bob, space="shop-b", source_id=str(uuid4())))

    assert await spend(profile, f"ann{name}") == (1, 60_00)
    assert await spend(profile, f"bob{name}") == (1, 40_00)


@pytest.mark.parametrize(
    "by_ref", [False, True], ids=["by the order's id", "by the payment's name, of another customer"]
)
async def test_what_a_provider_tells_counts_once_whatever_comes_first(profile: Database, *, by_ref: bool) -> None:
    for order in itertools.permutations(range(3)):
        name = uuid4().hex[:8]
        payer, paid = (f"bob{name}", f"pi_{name}") if by_ref else (f"ann{name}", name)
        back = OrderRefunded(
            order_id=paid,
            refund_id="re_1",
            currency="USD",
            amount_minor=40_00,
            payment_id=f"pi_{name}",
            payment_refs=(f"pi_{name}",),
        )
        facts = [
            payment(f"pi_{name}", paid, payer, 100_00),
            event(back, customer(payer)[1], source_id=STRIPE, at=NOON + days(1)),
            snapshot(name, f"ann{name}", 100_00, day=1, refunded=40_00, payment_refs=(f"pi_{name}",) if by_ref else ()),
        ]
        for n in order:
            await fold(profile, facts[n])

        assert (order, await spend(profile, f"ann{name}")) == (order, (1, 60_00))
        if by_ref:
            assert (order, await spend(profile, payer)) == (order, (0, 0))


async def test_words_that_come_at_once_end_where_one_after_the_other_would(profile: Database) -> None:
    for _ in range(5):
        name = uuid4().hex[:8]
        await asyncio.gather(
            take(profile, [snapshot(name, f"ann{name}", 60_00, day=0)]),
            take(profile, [snapshot(name, f"bob{name}", 60_00, day=1)]),
            take(profile, [payment(f"pi_{name}", f"pi_{name}", f"cat{name}", 20_00)]),
            take(profile, [snapshot(f"p{name}", f"dan{name}", 20_00, day=1, payment_refs=(f"pi_{name}",))]),
        )
        found = {who: await spend(profile, f"{who}{name}") for who in ("ann", "bob", "cat", "dan")}
        assert found == {"ann": (0, 0), "bob": (1, 60_00), "cat": (0, 0), "dan": (1, 20_00)}


async def test_payments_count_where_no_shop_tells_the_order(profile: Database) -> None:
    name = uuid4().hex[:8]
    await fold(profile, payment(f"pi_a{name}", name, name, 30_00), payment(f"pi_b{name}", name, name, 70_00))

    assert await spend(profile, name) == (1, 100_00)


async def test_whoever_reads_orders_ends_where_profile_does(
    profile: Database, database_factory: DatabaseFactory
) -> None:
    name = uuid4().hex[:8]
    facts = [
        snapshot("1", f"ann{name}", 60_00, day=0),
        snapshot("1", f"bob{name}", 60_00, day=1),
        snapshot("1", f"ann{name}", 50_00, day=2, refunded=10_00),
        snapshot("2", f"bob{name}", 20_00, day=1, payment_refs=(f"pi_{name}",)),
        payment(f"pi_{name}", f"pi_{name}", f"cat{name}", 20_00),
        payment(f"pi_x{name}", "3", f"cat{name}", 7_00),
    ]
    random.Random(name).shuffle(facts)
    for one in facts:
        await fold(profile, one)
    segment = Database(await database_factory("segment"), application="test", clock=SystemClock())
    events = [
        *await owned(profile, OrderPlaced),
        *await owned(profile, OrderReassigned),
    ]
    async with segment.work() as work:
        await policies.publish(work)
        await standings.fold_orders(work, events)
    query = "SELECT profile_id, order_id, counts, net_minor FROM orders WHERE counts ORDER BY profile_id, order_id"
    async with profile.work() as work:
        mine = [tuple(row) for row in await work.rows(query)]
    async with segment.work() as work:
        theirs = [tuple(row) for row in await work.rows(query)]
    await segment.close()

    assert [await spend(profile, f"{who}{name}") for who in ("ann", "bob", "cat")] == [
        (1, 40_00),
        (1, 20_00),
        (1, 7_00),
    ]
    assert mine == theirs


async def test_a_rebuild_changes_nothing_of_orders_that_moved(profile: Database) -> None:
    name = uuid4().hex[:8]
    await fold(
        profile, snapshot(name, f"ann{name}", 60_00, day=0), payment(f"pi_{name}", f"o{name}", f"cat{name}", 9_00)
    )
    await fold(profile, snapshot(name, f"bob{name}", 60_00, day=1))
    await fold(profile, snapshot(f"p{name}", f"bob{name}", 9_00, day=1, payment_refs=(f"pi_{name}",)))
    after: UUID | None = NOBODY
    while after is not None:
        async with profile.work() as work:
            after, _, changed = await mend_profiles(work, after)
        assert not +changed

    assert await spend(profile, f"ann{name}") == (0, 0)
    assert await spend(profile, f"bob{name}") == (2, 69_00)
    assert await spend(profile, f"cat{name}") == (0, 0)


async def test_the_customer_whom_an_order_leaves_is_published_with_the_figures_that_are_left(profile: Database) -> None:
    name = uuid4().hex[:8]
    await fold(profile, snapshot(name, f"ann{name}", 60_00, day=0))
    async with profile.work() as work:
        ann = await read.resolve(work, f"email:ann{name}@example.com")
        await work.run("TRUNCATE outbox")
    await fold(profile, snapshot(name, f"bob{name}", 60_00, day=1))

    [of_ann] = [one.body for one in await published(profile, topics.PROFILES) if one.profile_id == ann]
    assert isinstance(of_ann, ProfileChanged)
    assert (of_ann.orders, of_ann.spend_minor, of_ann.version) == (0, {}, 2)
    assert {one.profile_id == ann for one in await owned(profile, OrderReassigned)} == {True, False}


async def test_an_event_with_the_id_of_another_is_set_aside_and_a_repeated_one_is_not(profile: Database) -> None:
    name = uuid4().hex[:8]
    first = snapshot(name, f"ann{name}", 60_00, day=0)
    await fold(profile, first)
    again = msgspec.structs.replace(first, received_at=first.received_at + timedelta(hours=1))
    other = msgspec.structs.replace(first, body=msgspec.structs.replace(first.body, total_minor=70_00))
    async with batch(profile) as work:
        await fold_events(work, [again, other, event(PageViewed(), *customer(f"ann{name}"))])
        assert [(one, reason.partition(":")[0]) for one, reason in work.set_aside] == [(other, "conflicting_duplicate")]

    assert await spend(profile, f"ann{name}") == (1, 60_00)


async def test_of_two_different_events_with_one_id_in_a_batch_the_second_is_set_aside(profile: Database) -> None:
    name = uuid4().hex[:8]
    first = snapshot(name, f"ann{name}", 60_00, day=0)
    other = msgspec.structs.replace(first, identities=customer(f"bob{name}"))
    async with batch(profile) as work:
        await fold_events(work, [first, other, first])
        assert [one for one, _ in work.set_aside] == [other]


async def test_a_merge_that_brings_a_payment_and_its_order_together_is_taken_in_and_told(profile: Database) -> None:
    one, other = Identity(Namespace.USER_ID, "one"), Identity(Namespace.USER_ID, "other")
    paid = OrderPlaced(order_id="O1", currency="USD", total_minor=100, payment_id="P1")
    shop = OrderPlaced(order_id="O1", currency="USD", total_minor=100, whole=True)
    await fold(profile, event(paid, one, source_id=STRIPE), event(shop, other, source_id=SHOP, space="shop-a"))

    alias = event(PageViewed(path="/"), other, Identity(Namespace.ANONYMOUS_ID, "one"), merges=True)
    await fold(profile, alias)

    (told,) = await owned(profile, OrderReassigned)
    assert isinstance(told.body, OrderReassigned)
    assert (told.cause_id, told.body.mark.told) == (alias.event_id, "O1\x1fshop-a")
