"""Campaign on real PostgreSQL: what is sent, to whom, how often, and what is known of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from operator import eq
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from services.campaign import content
from services.campaign.service import journeys, operations, publishing
from services.campaign.service.sending import Claimed
from services.campaign.service.sending import claim as claim_due
from shared.contracts.changes import ProfileMerged
from shared.contracts.events import MessageSent
from shared.database import aliases
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.campaign import (
    LEASE,
    NOON,
    RULES,
    SECOND,
    DeafDatabase,
    Died,
    Provider,
    StoppedClock,
    World,
    all_in,
    event,
    profile,
    rise,
    stage,
)
from tests.support.running import eventually


@pytest.fixture
async def world(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[World]:
    clock = StoppedClock()
    database = DeafDatabase(await database_factory("campaign"), application="test", clock=clock)
    yield World(database, clock, Provider(tmp_path / "taken.ndjson"))
    await database.close()


async def test_a_trigger_that_is_redelivered_is_answered_once(world: World) -> None:
    ann = uuid4()
    change = rise(ann)
    await world.hear(profile(ann, language="zh"), change)
    async with world.sending():
        await world.settled(all_in("sent"))
        await world.hear(change, change)
        await world.hear(stage(ann, current="active", version=2))  # sets nothing off, and so is not recorded
        await world.settled(all_in("sent"))
    assert [one["X-Rapport-Trigger"] for one in world.provider.taken] == [str(change.event_id)]
    assert world.provider.taken[0]["subject"] == "Ann，欢迎成为金卡会员"
    assert await world.decisions(ann) == [("entered", "spend 100"), ("sent", "accepted")]


async def test_a_sent_message_becomes_a_fact_about_the_customer(world: World) -> None:
    ann = uuid4()
    change = rise(ann, depth=2)
    await world.hear(profile(ann), change)
    async with world.sending():
        await world.settled(all_in("sent"))
    (fact,) = await world.facts()
    assert isinstance(fact.body, MessageSent)
    assert (fact.body.journey_id, fact.body.trigger_id) == ("welcome-to-tier", str(change.event_id))
    assert (fact.event_id, fact.profile_id, fact.cause_id, fact.depth) == (
        fact.body.message_id,
        ann,
        change.event_id,
        3,
    )


async def test_what_becomes_of_a_message_is_one_line_of_the_log_without_its_address(world: World) -> None:
    ann, ben, eve = uuid4(), uuid4(), uuid4()
    await world.hear(profile(ann), profile(ben, consent=False), profile(eve, "reject@example.com"))
    trigger = rise(ann)
    with capture_logs() as lines:
        await world.hear(trigger, rise(ben), rise(eve))
        async with world.sending():
            await world.settled(all_in("sent", "refused", "failed"))
    told = {line["event"]: line for line in lines if line["event"].startswith("message.")}
    assert {event: (line["profile"], line["reason"], line["log_level"]) for event, line in told.items()} == {
        "message.sent": (str(ann), "accepted", "info"),
        "message.refused": (str(ben), "no_consent", "info"),
        "message.failed": (str(eve), "rejected", "warning"),
    }
    assert told["message.sent"]["trigger"] == str(trigger.event_id)
    assert UUID(told["message.sent"]["message"]) in world.provider.asked
    assert "@" not in str(lines)


async def test_history_and_old_changes_are_recorded_and_send_nothing(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    await world.hear(
        profile(ann),
        profile(ben),
        rise(ann, historical=True),
        stage(ben, at=NOON - timedelta(hours=25)),
    )
    assert await world.states() == []
    assert await world.decisions(ann) == [("skipped", "historical")]
    assert await world.decisions(ben) == [("skipped", "too_old")]


async def test_an_order_lets_its_customer_into_a_journey_once_however_often_it_is_stated(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    first, again = rise(ann, order_id="A-1"), rise(ann, version=3, order_id="A-1")
    await world.hear(profile(ann), profile(ben), first, again)
    await world.hear(rise(ann, version=5, order_id="A-1"))  # cancelled and restored, say
    await world.hear(rise(ann, version=7, order_id="A-2"), rise(ben, order_id="A-1"))
    assert len(await world.states()) == 3
    assert [made for made in await world.decisions(ann) if made[0] == "skipped"] == [("skipped", "entered_before")] * 2


async def test_a_change_below_the_known_standing_is_passed_over(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann), rise(ann, version=5, current="diamond"))
    await world.hear(rise(ann, version=4, current="gold"))
    assert len(await world.states()) == 1
    await world.hear(stage(ann, version=4))  # a change of another kind has its own order
    assert len(await world.states()) == 2


async def test_consent_withdrawn_between_trigger_and_send_is_heeded_and_recorded(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann), rise(ann))
    await world.hear(profile(ann, version=2, consent=False))
    await world.hear(profile(ann, version=1, consent=True))  # an old state, late
    async with world.sending():
        await world.settled(all_in("refused"))
    assert world.provider.asked == []
    assert ("refused", "no_consent") in await world.decisions(ann)


async def test_a_change_that_overtakes_its_profile_waits_for_it(world: World) -> None:
    ann, nobody = uuid4(), uuid4()
    await world.hear(rise(ann), rise(nobody))
    async with world.sending():
        await eventually(lambda: world.decisions(ann), lambda made: ("held", "no_profile") in made)
        await world.hear(profile(ann))
        world.move(2 * SECOND)
        await world.settled(lambda states: "sent" in states)
        world.move(10 * SECOND)
        await world.settled(all_in("sent", "refused"))
    assert len(world.provider.taken) == 1
    assert ("refused", "no_profile") in await world.decisions(nobody)


async def test_a_deferred_message_is_tried_again_later(world: World) -> None:
    async def times_held(profile_id: UUID) -> int:
        return sum(outcome == "held" for outcome, _ in await world.decisions(profile_id))

    ann = uuid4()
    await world.hear(profile(ann, "defer-2@example.com"), rise(ann))
    async with world.sending():
        for attempt, seconds in ((1, 2), (2, 6)):
            await eventually(partial(times_held, ann), partial(eq, attempt))
            world.move(seconds * SECOND)
        await world.settled(all_in("sent"))
    assert len(world.provider.asked) == 3
    assert len(world.provider.taken) == 1


async def test_a_rejected_message_fails(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann, "reject@example.com"), rise(ann))
    async with world.sending():
        await world.settled(all_in("failed"))
    assert ("failed", "rejected: 550 no such mailbox") in await world.decisions(ann)
    assert len(world.provider.asked) == 1


async def test_a_message_that_fell_silent_is_unknown_and_never_sent_again(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann, "silence@example.com"), rise(ann))
    async with world.sending():
        await world.settled(all_in("unknown"))
        world.move(timedelta(days=2))
    async with world.sending():
        await world.hear(rise(ann, version=1))
        world.move(timedelta(days=2))
    assert len(world.provider.asked) == 1
    assert ("unknown", "no answer: timed out") in await world.decisions(ann)
    assert await world.facts() == []


async def test_what_a_dead_sender_had_in_hand_becomes_unknown_and_is_never_sent_again(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann, "die@example.com"), rise(ann))
    with pytest.raises(ExceptionGroup) as died:
        await world.sender().run(asyncio.Event())
    assert died.group_contains(Died)
    assert await world.states() == ["sending"]
    async with world.sending():
        world.move(LEASE - SECOND)
        assert await world.states() == ["sending"]
    world.move(2 * SECOND)
    async with world.sending():
        await world.settled(all_in("unknown"))
    assert len(world.provider.taken) == len(world.provider.asked) == 1
    assert ("unknown", "sender_lost") in await world.decisions(ann)


async def test_a_claim_whose_commit_got_no_answer_is_put_back_and_sent_once(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann), rise(ann))
    world.database.deaf = 2
    async with world.sending():
        await world.settled(all_in("sent"))
    assert (world.database.deaf, len(world.provider.taken)) == (0, 1)
    assert await world.decisions(ann) == [("entered", "spend 100"), ("sent", "accepted")]


async def test_several_senders_send_each_message_once_and_many_at_a_time(world: World) -> None:
    customers = [uuid4() for _ in range(200)]
    await world.hear(*(profile(one, f"{number}@example.com") for number, one in enumerate(customers)))
    await world.hear(*(rise(one) for one in customers))
    async with world.sending(senders=3):
        await world.settled(all_in("sent"))
    assert sorted(one["X-Rapport-Profile"] for one in world.provider.taken) == sorted(map(str, customers))
    assert len(await world.facts()) == 200
    assert world.provider.at_once > 1


async def test_no_customer_gets_more_than_the_caps_allow_however_many_senders(world: World) -> None:
    ann = uuid4()
    changes = [rise(ann, version=number) for number in range(1, 11)] + [stage(ann)]
    await world.hear(profile(ann), *changes)
    async with world.sending(senders=4):
        states = await world.settled(all_in("sent", "refused"))
    assert sorted(states) == ["refused"] * 9 + ["sent"] * 2
    sent_by = [one["X-Rapport-Journey"] for one in world.provider.taken]
    assert sorted(sent_by) == ["welcome-to-tier", "win-back"]
    assert ("capped", "journey_cap") in await world.decisions(ann)
    for day in (1, 2, 3):
        world.move(timedelta(days=1, seconds=1))
        later = world.clock.now()
        async with world.sending(senders=4):
            await world.hear(rise(ann, version=100 + day, at=later), stage(ann, version=100 + day, at=later))
            await world.settled(all_in("sent", "refused"))
    assert len(world.provider.taken) == 3
    assert ("capped", "customer_cap") in await world.decisions(ann)


async def test_of_two_senders_that_decide_at_once_one_waits_and_sees_what_the_other_took(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann), rise(ann, version=1), rise(ann, version=2))

    async def claim() -> Claimed:
        async with world.database.work() as work:
            return await claim_due(work, RULES, claim_id=uuid4(), limit=1)

    async def waiting() -> int:
        async with world.database.work() as work:
            return len(await work.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

    async with asyncio.TaskGroup() as tasks, world.database.work() as work:
        first = await claim_due(work, RULES, claim_id=uuid4(), limit=1)
        second = tasks.create_task(claim())
        await eventually(waiting, lambda count: count == 1 or second.done())
    assert (len(first.outgoing), second.result()) == (1, Claimed(1, []))


async def test_a_merged_customer_is_capped_and_explained_as_one(world: World) -> None:
    ann, anne = sorted((uuid4(), uuid4()))
    await world.hear(profile(ann), profile(anne, "anne@example.com"), rise(ann))
    async with world.sending():
        await world.settled(all_in("sent"))
        merged = ProfileMerged(loser=ann, survivor=anne)
        await world.hear(event(merged, anne), profile(ann, version=9), profile(anne, "anne@example.com", version=2))
        await world.hear(rise(anne), rise(ann, version=2))
        await world.settled(all_in("sent", "refused"))
    assert len(world.provider.taken) == 1
    assert await world.decisions(ann) == await world.decisions(anne)
    assert ("capped", "journey_cap") in await world.decisions(anne)
    async with world.database.work() as work:
        assert await aliases.names(work, ann) == [anne, ann]
        assert [row.profile_id for row in await work.rows("SELECT profile_id FROM contacts")] == [anne]


async def test_a_pause_and_a_stop_hold_messages_back(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    await world.hear(profile(ann), profile(ben, "ben@example.com"), rise(ann))
    async with world.database.work() as work:
        await journeys.set_active(work, "welcome-to-tier", active=False, by=OPERATOR)
    async with world.sending():
        await eventually(lambda: world.decisions(ann), lambda made: ("held", "paused") in made)
        await world.hear(rise(ben))
        async with world.database.work() as work:
            await journeys.set_active(work, "welcome-to-tier", active=True, by=OPERATOR)
            await operations.stop_sending(work, by=OPERATOR)
        world.move(11 * SECOND)
        await eventually(lambda: world.decisions(ann), lambda made: ("held", "send_stop") in made)
        async with world.database.work() as work:
            await operations.resume_sending(work, by=OPERATOR)
        world.move(11 * SECOND)
        await world.settled(all_in("sent"))
    assert [one["X-Rapport-Profile"] for one in world.provider.taken] == [str(ann)]
    assert await world.decisions(ben) == []


async def test_the_figures_count_each_trigger_once_and_leave_changes_by_time_out_of_the_latency(world: World) -> None:
    ann, ben = uuid4(), uuid4()
    await world.hear(profile(ann), profile(ben, "ben@example.com"))
    world.move(2 * SECOND)
    await world.hear(rise(ann), stage(ben, cause_id=None))
    async with world.sending():
        await world.settled(lambda states: states == ["sent", "sent"])
    async with world.database.work() as work:
        welcome, win_back = await operations.figures(work)
    assert (welcome.states, welcome.sent_triggers) == ({"sent": 1}, 1)
    assert (welcome.p50_seconds, welcome.p99_seconds) == (2.0, 2.0)
    assert (win_back.sent_triggers, win_back.p50_seconds) == (1, None)


async def test_every_definition_in_the_package_is_published_at_the_start_once(world: World) -> None:
    async with world.database.work() as work:
        await work.run("DELETE FROM journey_versions WHERE id = 'win-back'")
    with capture_logs() as lines:
        for _ in range(2):
            async with world.database.work() as work:
                await publishing.publish(work, content.journeys())
    async with world.database.work() as work:
        published = [one.published for one in await journeys.every(work) if one.published]
    assert [one.journey for one in published] == content.journeys()
    assert [line["journey"] for line in lines if line["event"] == "journey.published"] == ["win-back"]


async def test_a_new_version_of_a_journey_is_paused_where_the_one_before_is(world: World) -> None:
    shipped = content.journeys()
    later = [msgspec.structs.replace(one, version=one.version + 1) for one in shipped]
    async with world.database.work() as work:
        await journeys.set_active(work, "win-back", active=False, by=OPERATOR)
        await publishing.publish(work, later)
        published = [one.published for one in await journeys.every(work) if one.published]
    assert {(one.journey.id, one.journey.version, one.active) for one in published} == {
        ("welcome-to-tier", 2, True),
        ("win-back", 2, False),
    }


async def test_a_version_that_is_published_stays_what_it_is(world: World) -> None:
    changed = [msgspec.structs.replace(one, max_age="P2D") for one in content.journeys()]
    async with world.database.work() as work:
        with pytest.raises(publishing.Changed, match="raise its version"):
            await publishing.publish(work, changed)
