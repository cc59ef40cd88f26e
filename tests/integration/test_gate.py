"""The gate's policy on real PostgreSQL: edits hold for what waits, decisions keep what they went by, reasons add up."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from services.campaign.service import gate
from services.campaign.service.gate import InvalidPolicy
from shared.errors import PreconditionFailed
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.applications import build, token
from tests.support.campaign import (
    NOON,
    RULES,
    DeafDatabase,
    Provider,
    StoppedClock,
    World,
    all_in,
    profile,
    rise,
    stage,
)
from tests.support.running import eventually

CAP: Final = RULES.customer_cap


@pytest.fixture
async def world(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[World]:
    clock = StoppedClock()
    database = DeafDatabase(await database_factory("campaign"), application="test", clock=clock)
    yield World(database, clock, Provider(tmp_path / "taken.ndjson"))
    await database.close()


async def put(world: World, version: int = 0, **policy: Any) -> int:
    async with world.database.work() as work:
        shown = await gate.change_policy(work, policy, version=version, customer_cap=CAP, by=OPERATOR)
    return shown.version


async def evidence(world: World, outcome: str) -> dict[str, Any]:
    async with world.database.work() as work:
        row = await work.row(
            "SELECT evidence::text AS evidence FROM decisions WHERE outcome = :outcome", outcome=outcome
        )
    assert row is not None
    found: dict[str, Any] = msgspec.json.decode(row.evidence)
    return found


async def both_due(world: World, ann: UUID) -> None:
    """A message of each of two journeys, due at the same instant."""
    await world.hear(profile(ann), rise(ann), stage(ann))


async def test_what_waits_is_decided_on_by_the_policy_of_then_and_the_decision_says_which(world: World) -> None:
    ann = uuid4()
    await world.hear(profile(ann), rise(ann))
    quiet = {"start": "11:00", "end": "13:00"}
    assert await put(world, quiet_hours=[quiet]) == 1
    async with world.sending():
        await world.settled(all_in("pending"))
        assert ("held", "quiet_hours") in await eventually_decided(world, ann, "held")
        assert await put(world, 1, holdouts={"welcome-to-tier": {"percent": 0, "salt": "a"}}) == 2
        world.move(timedelta(hours=1))
        await world.settled(all_in("sent"))
    assert await evidence(world, "held") == {"policy": 1, "check": "quiet_hours", "propensity": 1.0}
    assert await evidence(world, "sent") == {"policy": 2, "rules": {"customer": 0}, "propensity": 1.0}


async def eventually_decided(world: World, ann: UUID, outcome: str) -> list[tuple[str, str]]:
    return await eventually(lambda: world.decisions(ann), lambda found: any(one == outcome for one, _ in found))


@pytest.mark.parametrize(("favoured", "other"), [("win-back", "welcome-to-tier"), ("welcome-to-tier", "win-back")])
async def test_of_two_that_are_due_at_once_the_higher_priority_leaves_and_the_other_says_whom_it_lost_to(
    world: World, favoured: str, other: str
) -> None:
    ann = uuid4()
    await both_due(world, ann)
    await put(world, priorities={favoured: 10}, frequency=[{"name": "daily", "messages": 1, "days": 1}])
    async with world.sending():
        await world.settled(all_in("sent", "refused"))
    assert [one["X-Rapport-Journey"] for one in world.provider.taken] == [favoured]
    assert ("capped", f"lost_to/{favoured}") in await world.decisions(ann)
    async with world.database.work() as work:
        found = await gate.reasons(work, journey_id=other, since=NOON, until=NOON + timedelta(days=1))
    assert [(one.messages, one.sent) for one in found] == [(1, 0)]


async def test_what_a_message_counts_as_is_kept_and_one_template_does_not_come_twice(world: World) -> None:
    ann = uuid4()
    await put(world, same_content_days=7, frequency=[{"name": "sms", "messages": 1, "days": 1, "channels": ["sms"]}])
    await world.hear(profile(ann), rise(ann))
    async with world.sending():
        await world.settled(all_in("sent"))
        await world.hear(rise(ann, version=2))
        await world.settled(lambda states: sorted(states) == ["refused", "sent"])
    assert ("refused", "same_content") in await world.decisions(ann)
    async with world.database.work() as work:
        found = await gate.reasons(work, journey_id=None, since=NOON, until=NOON + timedelta(days=1))
    assert [(one.journey_id, one.messages, one.sent) for one in found] == [("welcome-to-tier", 2, 1)]
    assert {(one.outcome, one.reason, one.messages, one.customers) for one in found[0].reasons} == {
        ("sent", "accepted", 1, 1),
        ("refused", "same_content", 1, 1),
    }


async def test_senders_side_by_side_let_no_more_through_than_a_rule_allows(world: World) -> None:
    people = [uuid4() for _ in range(12)]
    await put(world, frequency=[{"name": "daily", "messages": 1, "days": 1}])
    for n, one in enumerate(people):
        await world.hear(profile(one, f"c{n}@example.com"), rise(one), stage(one))
    async with world.sending(senders=3):
        await world.settled(all_in("sent", "refused"))
    assert sorted(one["X-Rapport-Profile"] for one in world.provider.taken) == sorted(map(str, people))


async def test_an_edit_of_an_old_version_and_a_wrong_policy_change_nothing(world: World) -> None:
    await put(world)
    with pytest.raises(PreconditionFailed):
        await put(world)
    with pytest.raises(InvalidPolicy) as wrong:
        await put(world, 1, time_zone="Mars/Olympus")
    assert [one["at"] for one in wrong.value.errors] == ["/time_zone"]
    async with world.database.work() as work:
        assert (await gate.policy(work, customer_cap=CAP)).version == 1
        actions = [row.action for row in await work.rows("SELECT action FROM audit_log")]
    assert actions == ["gate_policy.changed"]


async def test_the_api_reads_edits_and_sums(database_factory: DatabaseFactory) -> None:
    service = build("campaign", await database_factory("campaign"))
    assert service.app is not None
    transport = httpx2.ASGITransport(app=service.app)
    headers = token(scope="campaign:admin")
    async with httpx2.AsyncClient(transport=transport, base_url="http://campaign/v1/gate", headers=headers) as client:
        shown = await client.get("/policy")
        assert (shown.json()["version"], shown.json()["policy"]) == (0, {})
        assert shown.json()["frequency"][0]["name"] == "customer"
        body: dict[str, Any] = {"policy": {"frequency": []}}
        assert (await client.put("/policy", json=body)).status_code == 428
        saved = await client.put("/policy", json=body, headers={"If-Match": shown.headers["ETag"]})
        assert (saved.status_code, saved.headers["ETag"], saved.json()["frequency"]) == (200, '"1"', [])
        assert (await client.put("/policy", json=body, headers={"If-Match": '"0"'})).status_code == 412
        wrong = {"policy": {"holdouts": {"win-back": {"percent": 101, "salt": "a"}}}}
        refused = await client.put("/policy", json=wrong, headers={"If-Match": '"1"'})
        assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/holdouts/win-back/percent")
        assert (await client.get("/reasons", params={"journey": "win-back"})).json()["journeys"] == []
    await service.database.close()
