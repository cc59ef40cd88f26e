"""Broadcasts on real PostgreSQL: nobody in the audience is passed over, and nobody gets a message twice."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from services.campaign import content
from services.campaign.domain.broadcast import BroadcastState
from services.campaign.repository.memberships import StoredMembership, upsert
from services.campaign.service import broadcasts
from services.campaign.service.broadcasts import WrongState
from shared.contracts.changes import ProfileChanged, ProfileMerged, TimeZone
from shared.errors import PreconditionFailed
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.campaign import DeafDatabase, Provider, StoppedClock, World, all_in, event, profile

SALE: Final = {
    "name": {"en": "Sale", "zh": "特卖"},
    "segment": "tea",
    "template": "win-back",
    "purpose": "marketing",
}


@pytest.fixture
async def world(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[World]:
    clock = StoppedClock()
    database = DeafDatabase(await database_factory("campaign"), application="test", clock=clock)
    yield World(database, clock, Provider(tmp_path / "taken.ndjson"))
    await database.close()


async def members(world: World, *customers: UUID) -> None:
    async with world.database.work() as work:
        rows = [
            StoredMembership(segment_id="tea", profile_id=one, version=1, segment_version=3, member=True)
            for one in customers
        ]
        await upsert(work, rows)


async def started(world: World, **more: Any) -> None:
    async with world.database.work() as work:
        await broadcasts.create(work, "sale", {**SALE, **more}, content.known(), by=OPERATOR)
        await broadcasts.move(work, "sale", BroadcastState.SCHEDULED, revision=1, by=OPERATOR)


async def moved(world: World, state: BroadcastState) -> None:
    async with world.database.work() as work:
        await broadcasts.move(work, "sale", state, revision=None, by=OPERATOR)


async def step(world: World) -> bool:
    async with world.database.work() as work:
        return await broadcasts.step(work)


async def _dies_in_a_step(world: World) -> None:
    async with world.database.work() as work:
        await broadcasts.step(work)
        raise ConnectionResetError("the process ends before it commits")


async def made(world: World) -> None:
    while await step(world):
        pass


async def shown(world: World) -> Any:
    async with world.database.work() as work:
        return await broadcasts.one(work, "sale"), await broadcasts.tally(work, "sale")


async def test_everybody_in_the_segment_gets_it_once_and_who_joins_later_does_not(world: World) -> None:
    ann, ben, eve, late = (uuid4() for _ in range(4))
    for one, name in ((ann, "ann"), (ben, "ben"), (late, "late")):
        await world.hear(profile(one, f"{name}@example.com"))
    await world.hear(profile(eve, "eve@example.com", consent=False))
    await members(world, ann, ben, eve)
    await started(world)
    assert await step(world)  # it starts: its audience is fixed
    await members(world, late)
    await made(world)
    async with world.sending():
        await world.settled(all_in("sent", "refused"))
    await made(world)

    assert sorted(one["to"] for one in world.provider.taken) == ["ann@example.com", "ben@example.com"]
    stored, tally = await shown(world)
    assert (stored.state, stored.audience, stored.segment_version) == ("done", 3, 3)
    assert (tally.sent, tally.refused) == (2, 1)
    assert ("refused", "no_consent") in await world.decisions(eve)


async def test_a_hundred_thousand_members_of_one_moment_are_all_made_ready_whatever_ends_the_process(
    world: World,
) -> None:
    async with world.database.work() as work:
        await work.run(
            """
            INSERT INTO memberships (segment_id, profile_id, version, segment_version, member)
            SELECT 'tea', gen_random_uuid(), 1, 1, true FROM generate_series(1, 100000)
            """
        )
    await started(world)
    pages = 0
    while True:
        pages += 1
        if pages % 7 == 3:
            with pytest.raises(ConnectionResetError):
                await _dies_in_a_step(world)
        if not await step(world):
            break
        async with world.database.work() as work:  # as the sender would, in its own time
            await work.run("UPDATE messages SET state = 'sent' WHERE state = 'pending'")
    async with world.database.work() as work:
        row = await work.row(
            """
            SELECT count(*) AS messages, count(DISTINCT profile_id) AS customers,
                   count(*) FILTER (WHERE profile_id IN (SELECT profile_id FROM memberships)) AS members
              FROM messages
            """
        )
    assert row is not None
    assert tuple(row) == (100_000, 100_000, 100_000)
    stored, _ = await shown(world)
    assert (stored.state, stored.done_to) == ("done", 100_000)


async def test_a_pause_holds_a_resume_goes_on_and_a_cancellation_ends(world: World) -> None:
    customers = [uuid4() for _ in range(3)]
    for n, one in enumerate(customers):
        await world.hear(profile(one, f"c{n}@example.com"))
    await members(world, *customers)
    await started(world)
    await made(world)
    await moved(world, BroadcastState.PAUSED)
    async with world.sending():
        await world.settled(lambda _: True)
        world.move(timedelta(seconds=1))
    assert world.provider.taken == []

    await moved(world, BroadcastState.RUNNING)
    world.move(timedelta(minutes=1))
    async with world.sending():
        await world.settled(all_in("sent"))
    await made(world)
    assert len(world.provider.taken) == 3
    with pytest.raises(WrongState):
        await moved(world, BroadcastState.CANCELLED)


async def test_what_a_cancelled_broadcast_has_not_sent_it_never_sends(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann))
    await members(world, ann)
    await started(world)
    await made(world)
    await moved(world, BroadcastState.CANCELLED)
    async with world.sending():
        await world.settled(all_in("refused"))
    assert world.provider.taken == []
    with pytest.raises(WrongState):
        await moved(world, BroadcastState.RUNNING)


async def test_each_customer_gets_it_at_the_time_of_their_own_zone(world: World) -> None:
    shanghai, berlin = uuid4(), uuid4()
    for one, zone in ((shanghai, "Asia/Shanghai"), (berlin, "Europe/Berlin")):
        known = profile(one, f"{zone[-4:]}@example.com")
        assert isinstance(known.body, ProfileChanged)
        body = structs.replace(known.body, time_zone=TimeZone(name=zone, by="customer"))
        await world.hear(structs.replace(known, body=body))
    await members(world, shanghai, berlin)
    await started(world, local={"date": "2026-03-03", "time": "10:00"})
    assert not await step(world)
    world.move(timedelta(days=2))  # 2026-03-03 12:00 UTC: past 10:00 in both
    async with world.database.work() as work:
        await work.run("UPDATE broadcasts SET made_at = NULL")
    await made(world)
    async with world.database.work() as work:
        rows = await work.rows("SELECT profile_id, due_at FROM messages")
    assert {row.profile_id for row in rows} == {shanghai, berlin}


async def test_two_of_an_audience_who_turn_out_to_be_one_get_it_once(world: World) -> None:
    ann, anne = uuid4(), uuid4()
    await world.hear(profile(ann), profile(anne))
    await members(world, ann, anne)
    await started(world)
    await made(world)
    await world.hear(event(ProfileMerged(loser=ann, survivor=anne), anne))
    async with world.sending():
        await world.settled(all_in("sent", "refused"))
    assert len(world.provider.taken) == 1
    assert ("refused", "duplicate") in [*await world.decisions(ann)]


async def test_only_a_draft_is_written_and_only_as_it_was_read(world: World) -> None:
    await started(world)
    async with world.database.work() as work:
        with pytest.raises(PreconditionFailed):
            await broadcasts.change(work, "sale", SALE, content.known(), revision=1, by=OPERATOR)
        with pytest.raises(WrongState):
            await broadcasts.change(work, "sale", SALE, content.known(), revision=2, by=OPERATOR)
