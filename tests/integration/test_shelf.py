"""The journeys of the shelf, each taken, published and walked on real PostgreSQL, in English and in Chinese."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from services.campaign import content
from services.campaign.service import coupons, dates, journeys, known, publishing, runs, shelf
from services.campaign.service.journeys import JourneyExists
from shared.contracts.changes import DatedFact, ProfileChanged, TimeZone
from shared.contracts.events import Body, CartUpdated, Item, OrderDelayed, OrderDelivered, OrderPlaced
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.campaign import RULES, DeafDatabase, Provider, StoppedClock, World, event, profile, stage

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@pytest.fixture
async def world(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[World]:
    clock = StoppedClock()
    database = DeafDatabase(await database_factory("campaign"), application="test", clock=clock)
    async with database.work() as work:
        await publishing.publish_templates(work, content.documents())
        for one in content.shelf():
            shown, _ = await shelf.take(work, one.id, {"email"}, by=OPERATOR)
            await journeys.publish(
                work, one.id, await known.look(work, {"email"}), revision=shown.revision, move="stay", by=OPERATOR
            )
    yield World(database, clock, Provider(tmp_path / "taken.ndjson"))
    await database.close()


def fact(body: Body, customer: UUID, world: World) -> Any:
    return event(body, customer, at=world.clock.moment)


async def settle(world: World) -> None:
    """Lets everything that is due happen, messages and runs in turn."""
    await world.walk()
    while True:
        async with world.sending():
            await world.settled(lambda states: not set(states) & {"pending", "sending"})
        if not await world.walk():
            return


async def ends(world: World, customer: UUID) -> list[tuple[str, str, str]]:
    async with world.database.work() as work:
        found = await runs.of_customer(work, customer, limit=9)
    return sorted((one.journey_id, one.state, one.reason) for one in found)


def subjects(world: World) -> list[str]:
    return [one["subject"] for one in world.provider.taken]


async def test_a_first_order_is_thanked_for_after_an_hour_and_a_later_one_is_not(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    await world.hear(profile(ann, language="zh"), profile(ben, "ben@example.com"))
    await world.hear(stage(ann, current="new"), stage(ben, current="loyal"))
    for one in (ann, ben):
        await world.hear(fact(OrderPlaced(order_id=str(one), currency="EUR", total_minor=1), one, world))
    world.move(HOUR)
    await settle(world)
    assert subjects(world) == ["感谢您的首次下单"]
    assert ("first-order-thanks", "finished", "not a first order") in await ends(world, ben)


async def test_a_cart_is_reminded_of_twice_and_an_order_ends_that(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    await world.hear(profile(ann), profile(ben, "ben@example.com"))
    cart = CartUpdated(
        cart_id="c", currency="EUR", total_minor=5, items=(Item(sku="t", name="Tea", quantity=1, unit_price_minor=5),)
    )
    await world.hear(fact(cart, ann, world), fact(cart, ben, world))
    world.move(HOUR)
    await settle(world)
    await world.hear(fact(OrderPlaced(order_id="1", currency="EUR", total_minor=1), ben, world))
    world.move(DAY)
    await settle(world)
    world.move(DAY)
    await settle(world)
    reminders = [one for one in subjects(world) if "order" not in one.lower()]
    assert sorted(reminders) == ["Still thinking about it?", *["You left something in your cart"] * 2]
    assert ("cart-abandoned", "finished", "goal: order_placed") in await ends(world, ben)


async def test_a_late_order_is_told_of_once_with_a_coupon_of_the_customers_own(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann, consent=False))  # it needs no consent: it is about what they have asked for
    delayed = OrderDelayed(order_id="1001", extra={})
    await world.hear(fact(delayed, ann, world), fact(delayed, ann, world))
    await settle(world)
    assert subjects(world) == ["Your order 1001 is late"]
    async with world.database.work() as work:
        (coupon,) = await coupons.of_customer(work, ann, limit=9)
    assert coupon.name == "order-delayed"
    await world.hear(fact(OrderDelivered(order_id="1001", extra={}), ann, world))
    assert await ends(world, ann) == [("order-delayed", "finished", "finished")]


async def test_a_birthday_and_a_childs_by_the_moon_are_wished_for_by_name(world: World) -> None:
    ann = uuid4()
    before = profile(ann, language="zh")
    assert isinstance(before.body, ProfileChanged)
    facts = (
        DatedFact(kind="birthday", date="1990-03-10"),
        DatedFact(kind="birthday", label="小林", date="--08-15", calendar="lunar"),
    )
    body = structs.replace(before.body, dated_facts=facts, time_zone=TimeZone(name="Asia/Shanghai", by="customer"))
    await world.hear(structs.replace(before, body=body))
    for moment in (datetime(2026, 3, 10, 1, tzinfo=UTC), datetime(2026, 9, 25, 1, tzinfo=UTC)):
        world.clock.moment = moment
        async with world.database.work() as work:
            assert await dates.reach_due(work, work.now, partition_secret=RULES.partition_secret) == 1
        await settle(world)
    assert subjects(world) == ["生日快乐", "祝 小林 生日快乐"]


async def test_who_is_silent_is_greeted_and_a_week_later_offered_something(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    await world.hear(profile(ann), profile(ben, "ben@example.com"), stage(ann), stage(ben))
    await settle(world)
    await world.hear(stage(ben, current="returning", version=2, at=world.clock.moment))
    world.move(7 * DAY)
    await settle(world)
    assert subjects(world).count("Something for your next visit") == 1
    assert ("win-back-steps", "finished", "came back") in await ends(world, ben)


async def test_a_journey_of_the_shelf_is_taken_once(world: World) -> None:
    async with world.database.work() as work:
        with pytest.raises(JourneyExists):
            await shelf.take(work, "birthday", {"email"}, by=OPERATOR)
        with pytest.raises(shelf.NotOnTheShelf):
            await shelf.take(work, "birthdays", {"email"}, by=OPERATOR)
