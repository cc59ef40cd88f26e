"""Journeys on real PostgreSQL: customers enter, wait, are moved by events and by time, and are told about it once."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from services.campaign import content
from services.campaign.service import coupons, dates, journeys, publishing, runs
from services.campaign.service.journeys import InvalidJourney, NothingToPublish
from shared.contracts.changes import DatedFact, ProfileChanged, ProfileMerged, SegmentEntered, TimeZone
from shared.contracts.events import Body, ConsentChanged, CustomEvent, TagSet
from shared.errors import PreconditionFailed
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.campaign import RULES, DeafDatabase, Provider, StoppedClock, World, all_in, event, profile

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
CART: Final[Mapping[str, Any]] = {
    "name": {"en": "Cart", "zh": "购物车"},
    "trigger": {"type": "event", "event": "cart"},
    "again": {"type": "once_per", "property": "cart_id"},
    "exits": [{"type": "event", "event": "bought", "same": "cart_id", "goal": True}],
    "start": "pause",
    "nodes": {
        "pause": {"type": "wait", "time": "PT1H", "next": "remind"},
        "remind": {"type": "message", "template": "win-back", "next": "tag"},
        "tag": {"type": "update", "change": {"type": "tag", "tag": "reminded"}, "next": "paid"},
        "paid": {
            "type": "wait_for_event",
            "event": "paid",
            "same": "cart_id",
            "timeout": "P3D",
            "next": "thanks",
            "on_timeout": "again",
        },
        "thanks": {"type": "exit", "reason": "paid"},
        "again": {"type": "message", "template": "win-back"},
    },
}


@pytest.fixture
async def world(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[World]:
    clock = StoppedClock()
    database = DeafDatabase(await database_factory("campaign"), application="test", clock=clock)
    yield World(database, clock, Provider(tmp_path / "taken.ndjson"))
    await database.close()


async def published(world: World, definition: Mapping[str, Any], journey_id: str = "cart", move: str = "stay") -> int:
    async with world.database.work() as work:
        try:
            shown = await journeys.one(work, journey_id)
        except journeys.UnknownJourney:
            await journeys.create(work, journey_id, definition, content.known(), by=OPERATOR)
        else:
            await journeys.change(work, journey_id, definition, content.known(), revision=shown.revision, by=OPERATOR)
    async with world.database.work() as work:
        revision = (await journeys.one(work, journey_id)).revision
        shown, _, moved = await journeys.publish(
            work,
            journey_id,
            content.known(),
            revision=revision,
            move="follow" if move == "follow" else "stay",
            by=OPERATOR,
        )
    assert shown.published is not None
    return moved


def cart(customer: UUID, cart_id: str = "c-1", name: str = "cart", *, world: World) -> Any:
    body: Body = CustomEvent(name=name, properties={"cart_id": cart_id})
    return event(body, customer, at=world.clock.moment)


async def standing(world: World, customer: UUID) -> list[tuple[str, str, str]]:
    async with world.database.work() as work:
        found = await runs.of_customer(work, customer, limit=100)
    return sorted((one.state, one.node, one.reason) for one in found)


async def settle(world: World) -> None:
    """Lets everything that is due happen, messages and runs in turn."""
    while True:
        async with world.sending():
            await world.settled(lambda states: not set(states) & {"pending", "sending"})
        if not await world.walk():
            return


async def test_a_cart_is_reminded_of_after_an_hour_and_once_more_if_nobody_pays(world: World) -> None:
    await published(world, CART)
    ann = uuid4()
    trigger = cart(ann, world=world)
    await world.hear(profile(ann), trigger)
    await world.hear(trigger, cart(ann, world=world))  # redelivered, and stated again
    assert await standing(world, ann) == [("active", "pause", "")]

    world.move(HOUR - timedelta(seconds=1))
    assert await world.walk() == 0
    world.move(timedelta(seconds=1))
    await world.walk()
    await settle(world)
    assert len(world.provider.taken) == 1
    assert await standing(world, ann) == [("active", "paid", "")]

    world.move(3 * DAY)
    await world.walk()
    await settle(world)
    assert len(world.provider.taken) == 2
    assert await standing(world, ann) == [("finished", "again", "finished")]
    tags = [one for one in await world.facts() if isinstance(one.body, TagSet)]
    assert [(one.profile_id, one.body) for one in tags] == [(ann, TagSet(tag="reminded", reason="journey cart"))]


async def test_who_buys_in_the_middle_of_a_wait_is_out_at_once_and_another_cart_goes_on(world: World) -> None:
    await published(world, CART)
    ann = uuid4()
    await world.hear(profile(ann), cart(ann, "c-1", world=world), cart(ann, "c-2", world=world))
    await world.hear(cart(ann, "c-1", "bought", world=world))
    assert await standing(world, ann) == [("active", "pause", ""), ("finished", "pause", "goal: bought")]
    async with world.database.work() as work:
        (over,) = [one for one in await runs.of_customer(work, ann, limit=9) if one.state == "finished"]
        _, steps = await runs.trace(work, over.id)
    assert [(step.node, step.outcome, step.detail) for step in steps] == [
        ("pause", "waits", ""),
        ("pause", "exited", "goal: bought"),
    ]


async def test_a_message_whose_run_is_over_before_it_leaves_does_not_leave(world: World) -> None:
    await published(world, CART)
    ann = uuid4()
    await world.hear(profile(ann), cart(ann, world=world))
    world.move(HOUR)
    await world.walk()
    await world.hear(cart(ann, "c-1", "bought", world=world))
    async with world.sending():
        await world.settled(all_in("refused"))
    assert world.provider.taken == []
    assert ("refused", "run_over") in await world.decisions(ann)


async def test_an_event_that_enters_and_one_that_takes_out_act_in_their_order_in_one_batch(world: World) -> None:
    await published(world, CART)
    ann = uuid4()
    bought = cart(ann, "c-1", "bought", world=world)
    await world.hear(profile(ann), cart(ann, world=world), bought, cart(ann, "c-2", world=world))
    assert await standing(world, ann) == [("active", "pause", ""), ("finished", "pause", "goal: bought")]


async def test_whose_consent_is_withdrawn_is_out_and_a_message_without_consent_ends_the_run(world: World) -> None:
    await published(world, {**CART, "exits": [{"type": "consent_withdrawn"}]})
    ann, ben = uuid4(), uuid4()
    await world.hear(profile(ann), profile(ben, "ben@example.com", consent=False))
    await world.hear(cart(ann, world=world), cart(ben, world=world))
    await world.hear(event(ConsentChanged(channel="email", granted=False), ann, at=world.clock.moment))
    assert await standing(world, ann) == [("exited", "pause", "consent withdrawn: email")]

    world.move(HOUR)
    await world.walk()
    await settle(world)
    assert world.provider.taken == []
    assert await standing(world, ben) == [("exited", "remind", "not sent: no_consent")]


async def test_of_two_customers_who_become_one_the_first_run_of_a_key_goes_on(world: World) -> None:
    await published(world, CART)
    ann, anne = uuid4(), uuid4()
    await world.hear(profile(ann), profile(anne), cart(ann, world=world))
    world.move(HOUR / 2)
    await world.hear(cart(anne, world=world), cart(anne, "c-2", world=world))
    await world.hear(event(ProfileMerged(loser=ann, survivor=anne), anne))
    assert await standing(world, anne) == [
        ("active", "pause", ""),
        ("active", "pause", ""),
        ("exited", "pause", "merged"),
    ]
    async with world.database.work() as work:
        found = await runs.of_customer(work, ann, limit=9)
    first = min(found, key=lambda one: one.entered_at)
    assert (first.state, first.profile_id) == ("active", anne)
    await world.hear(cart(ann, world=world), cart(anne, world=world))  # neither may enter for this cart again
    assert len(await standing(world, anne)) == 3


@pytest.mark.parametrize(("inside", "states"), [("ignore", 1), ("restart", 2), ("parallel", 2)])
async def test_who_is_inside_is_ignored_or_starts_again_or_runs_beside(world: World, inside: str, states: int) -> None:
    await published(world, {**CART, "inside": inside})
    ann = uuid4()
    await world.hear(cart(ann, "c-1", world=world), cart(ann, "c-2", world=world))
    found = await standing(world, ann)
    assert len(found) == states
    assert [one[2] for one in found if one[0] == "exited"] == (["restarted"] if inside == "restart" else [])


async def test_runs_stay_with_the_version_that_they_entered_unless_they_are_told_to_follow(world: World) -> None:
    await published(world, CART)
    ann = uuid4()
    await world.hear(profile(ann), cart(ann, world=world))
    nodes = {**CART["nodes"], "remind": {"type": "exit", "reason": "no more reminders"}}
    edited = {**CART, "nodes": {name: nodes[name] for name in ("pause", "remind")}}
    async with world.database.work() as work:
        revision = (await journeys.one(work, "cart")).revision
        await journeys.change(work, "cart", edited, content.known(), revision=revision, by=OPERATOR)
        impact = {
            one.node: (one.change, one.before, one.at, one.past)
            for one in await journeys.impact(work, "cart", content.known())
        }
    assert impact["remind"] == ("changed", 1, 0, 0)
    assert impact["again"] == ("removed", 1, 0, 0)

    assert await published(world, edited) == 0
    world.move(HOUR)
    await world.walk()
    assert await standing(world, ann) == [("active", "remind", "")]

    ben = uuid4()
    await published(world, CART)
    await world.hear(profile(ben), cart(ben, world=world))
    assert await published(world, edited, move="follow") == 2
    world.move(HOUR)
    await world.walk()
    assert await standing(world, ben) == [("finished", "remind", "no more reminders")]


async def test_a_segment_that_goes_live_lets_in_nobody_unless_the_journey_asks_for_it(world: World) -> None:
    trigger = {"type": "segment_entered", "segment": "tea"}
    await published(world, {**CART, "trigger": trigger, "again": {"type": "every_time"}})
    await published(
        world, {**CART, "trigger": {**trigger, "redefined": True}, "again": {"type": "every_time"}}, "asking"
    )
    ann, ben = uuid4(), uuid4()

    def joined(customer: UUID, cause: Any) -> Any:
        body = SegmentEntered(
            profile_id=customer, version=1, segment_id="tea", segment_version=1, name="Tea", reason="", cause=cause
        )
        return event(body, customer)

    await world.hear(joined(ann, "defined"), joined(ben, "event"))
    async with world.database.work() as work:
        entered = {
            who: sorted(one.journey_id for one in await runs.of_customer(work, customer, limit=9))
            for who, customer in (("ann", ann), ("ben", ben))
        }
    assert entered == {"ann": ["asking"], "ben": ["asking", "cart"]}


async def test_a_draft_with_a_mistake_is_refused_with_its_place_and_an_old_edit_is_refused(world: World) -> None:
    broken = {**CART, "nodes": {**CART["nodes"], "pause": {"type": "wait", "time": "PT1H", "next": "remnd"}}}
    async with world.database.work() as work:
        with pytest.raises(InvalidJourney) as raised:
            await journeys.create(work, "cart", broken, content.known(), by=OPERATOR)
        assert raised.value.errors == [
            {"at": "/nodes/pause/next", "message": "there is no node remnd (did you mean remind?)"}
        ]
        await journeys.create(work, "cart", CART, content.known(), by=OPERATOR)
        with pytest.raises(PreconditionFailed):
            await journeys.change(work, "cart", CART, content.known(), revision=7, by=OPERATOR)
        await journeys.publish(work, "cart", content.known(), revision=1, move="stay", by=OPERATOR)
        with pytest.raises(NothingToPublish):
            await journeys.publish(work, "cart", content.known(), revision=0, move="stay", by=OPERATOR)


async def test_a_journey_that_the_shop_has_edited_stays_the_shops_own_at_the_next_start(world: World) -> None:
    async with world.database.work() as work:
        await publishing.publish(work, content.journeys())
    await published(world, CART, "win-back")
    async with world.database.work() as work:
        await publishing.publish(work, content.journeys())
        shown = await journeys.one(work, "win-back")
    assert shown.published is not None
    assert (shown.published.journey.version, shown.published.journey.start) == (2, "pause")


async def test_a_customer_may_be_let_in_by_hand_once_for_a_key_and_taken_out_again(world: World) -> None:
    await published(world, {**CART, "trigger": {"type": "called"}})
    ann = uuid4()
    async with world.database.work() as work:
        entered = await runs.enter(
            work, "cart", ann, {"cart_id": "c-1"}, partition_secret=RULES.partition_secret, by=OPERATOR
        )
        with pytest.raises(runs.NotEntered, match="entered_before"):
            await runs.enter(
                work, "cart", ann, {"cart_id": "c-1"}, partition_secret=RULES.partition_secret, by=OPERATOR
            )
        ended = await runs.end(work, entered.id, partition_secret=RULES.partition_secret, by=OPERATOR)
    assert (ended.state, ended.reason) == ("exited", "ended by hand")


BIRTHDAY: Final[Mapping[str, Any]] = {
    "name": {"en": "Birthday", "zh": "生日"},
    "trigger": {"type": "date", "fact": "birthday", "days_before": 3, "time": "09:00"},
    "start": "coupon",
    "nodes": {
        "coupon": {
            "type": "coupon",
            "name": "birthday",
            "value": {"type": "percent", "percent": 10},
            "valid": "P14D",
            "next": "mail",
        },
        "mail": {"type": "message", "template": "win-back"},
    },
}


def with_facts(customer: UUID, *facts: DatedFact, version: int = 1, zone: str = "Asia/Shanghai") -> Any:
    known = profile(customer, version=version)
    assert isinstance(known.body, ProfileChanged)
    body = structs.replace(known.body, dated_facts=facts, time_zone=TimeZone(name=zone, by="customer"))
    return structs.replace(known, body=body)


async def reach(world: World) -> int:
    async with world.database.work() as work:
        return await dates.reach_due(work, work.now, partition_secret=RULES.partition_secret)


async def backfilled(world: World) -> None:
    async with world.database.work() as work:
        while await dates.backfill(work):
            pass


async def test_a_birthday_comes_every_year_with_a_coupon_of_the_customers_own(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    own = DatedFact(kind="birthday", date="1990-03-10")
    child = DatedFact(kind="birthday", label="Lin", date="--08-15", calendar="lunar")
    await world.hear(with_facts(ann, own, child))  # known before the journey is
    await published(world, BIRTHDAY)
    await backfilled(world)
    await world.hear(with_facts(ben, own, version=2, zone="America/New_York"))  # and after

    world.clock.moment = datetime(2026, 3, 7, 0, 59, 59, tzinfo=UTC)
    assert await reach(world) == 0
    world.clock.moment = datetime(2026, 3, 7, 1, tzinfo=UTC)  # 9:00 in Shanghai
    assert await reach(world) == 1
    await world.hear(with_facts(ann, own, child, version=3))  # what is known again changes nothing
    assert await reach(world) == 0
    await settle(world)
    async with world.database.work() as work:
        (coupon,) = await coupons.of_customer(work, ann, limit=9)
        assert await coupons.of_customer(work, ben, limit=9) == []
    assert (coupon.name, coupon.expires_at - coupon.issued_at) == ("birthday", timedelta(days=14))
    assert await standing(world, ann) == [("finished", "mail", "finished")]

    world.clock.moment = datetime(2026, 9, 22, 1, tzinfo=UTC)  # three days before the 15th of the eighth lunar month
    assert await reach(world) == 2  # Lin's; and Ben's, far too late by now
    assert len(await standing(world, ann)) == 2
    assert ("skipped", "too_old") in await world.decisions(ben)

    world.clock.moment = datetime(2027, 3, 7, 14, tzinfo=UTC)  # 9:00 in New York
    assert await reach(world) == 2
    assert len(await standing(world, ben)) == 1


async def test_a_coupon_is_redeemed_for_one_order(world: World) -> None:
    await published(world, {**BIRTHDAY, "trigger": {"type": "called"}})
    ann = uuid4()
    async with world.database.work() as work:
        await runs.enter(work, "cart", ann, {}, partition_secret=RULES.partition_secret, by=OPERATOR)
        (coupon,) = await coupons.of_customer(work, ann, limit=9)
        order: dict[str, Any] = {"total_minor": 100, "currency": "EUR", "by": OPERATOR}
        await coupons.redeem(work, coupon.code.lower(), order_id="1", **order)
        assert (await coupons.redeem(work, coupon.code, order_id="1", **order)).order_id == "1"
        with pytest.raises(coupons.NotRedeemable, match="redeemed"):
            await coupons.redeem(work, coupon.code, order_id="2", **order)


async def test_a_customer_is_waited_for_until_segment_tells_that_they_are_a_member(world: World) -> None:
    """Each is told once: who enters while waiting, by what happened now or long ago, who was a member before, and who
    never becomes one.
    """
    wait = {"type": "wait_for_segment", "segment": "vip", "timeout": "P1D", "next": "told", "on_timeout": "late"}
    told = {"type": "message", "template": "win-back", "next": "done"}
    nodes = {"a": wait, "told": told, "done": {"type": "exit", "reason": "a member"}}
    nodes["late"] = {"type": "exit", "reason": "never a member"}
    await published(world, {**CART, "exits": [], "start": "a", "nodes": nodes})
    enters, enters_late, before, never = uuid4(), uuid4(), uuid4(), uuid4()

    def entered(who: UUID, ago: timedelta = timedelta()) -> Any:
        change = SegmentEntered(
            profile_id=who, version=1, segment_id="vip", segment_version=1, name="VIP", reason="", cause="event"
        )
        return event(change, who, at=world.clock.moment - ago)

    await world.hear(entered(before))
    for who in (enters, enters_late, before, never):
        await world.hear(profile(who), cart(who, str(who), world=world))
    assert await standing(world, enters) == [("active", "a", "")]
    change = entered(enters)
    await world.hear(change)
    await world.hear(change)  # redelivered
    await world.hear(entered(enters_late, 2 * HOUR))  # an order that was stated late made them a member
    await settle(world)
    for who in (enters, enters_late, before):
        assert await standing(world, who) == [("finished", "done", "a member")]
    assert len(world.provider.taken) == 3

    world.move(DAY)
    await world.walk()
    assert await standing(world, never) == [("finished", "late", "never a member")]
    assert len(world.provider.taken) == 3
