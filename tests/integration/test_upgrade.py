"""A database of the first release, upgraded, is what a new one is: its schema, and what came with the service."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
import pytest

from deploy.local.postgres import Postgres
from services.campaign import content
from services.campaign.service import journeys, publishing
from services.segment.domain.programmes.definition import DEFAULT_PROGRAMME, Rolling
from services.segment.domain.standing import DEFAULT_POLICY
from services.segment.repository import policies as stored_policies
from services.segment.repository.programmes import versions as programme_versions
from services.segment.service import policies
from services.segment.service.programmes import definitions, rollout
from shared.database import migrate
from shared.database.database import Database, Work
from shared.service.clock import SystemClock
from tests.support.campaign import NOON, DeafDatabase, Provider, StoppedClock, World, all_in, profile, rise

# As the first release's migration published them.
FIRST: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "welcome-to-tier",
        "version": 1,
        "name": {"en": "Welcome to a tier", "zh": "会员升级欢迎"},
        "trigger": {"type": "tier_changed", "direction": "up", "tiers": ["silver", "gold", "diamond"]},
        "max_age_hours": 24,
        "channel": "email",
        "template": "welcome-to-tier",
        "cap": {"messages": 1, "hours": 24},
    },
    {
        "id": "win-back",
        "version": 1,
        "name": {"en": "Win back", "zh": "挽回即将流失的顾客"},
        "trigger": {"type": "stage_changed", "stages": ["at_risk"]},
        "max_age_hours": 24,
        "channel": "email",
        "template": "win-back",
        "cap": {"messages": 1, "hours": 24},
    },
)
FIRST_POLICY: Final[dict[str, Any]] = {
    "currency": "USD",
    "tiers": [
        {"name": "bronze", "from_minor": 0},
        {"name": "silver", "from_minor": 100_00},
        {"name": "gold", "from_minor": 250_00},
        {"name": "diamond", "from_minor": 1_000_00},
    ],
    "tier_window_days": 365,
    "new_days": 30,
    "loyal_orders": 4,
    "at_risk_days": 90,
    "churned_days": 180,
    "recency_cuts": [30, 90, 180, 365],
    "frequency_cuts": [2, 3, 5, 8],
    "monetary_cuts": [50_00, 100_00, 250_00, 1_000_00],
}
COLUMNS: Final = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
      FROM information_schema.columns
     WHERE table_schema = 'public'
     ORDER BY 1, 2
"""


@pytest.fixture
async def empty(postgres: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, str]]:
    """The URLs of two empty databases of the service that the test names."""
    names = [f"test_upgrade_{uuid4().hex[:12]}" for _ in range(2)]
    first, second = [await postgres.create_database(name, f"rapport_{request.param}") for name in names]
    yield first, second
    for name in names:
        await postgres.drop_database(name)


@asynccontextmanager
async def at(url: str) -> AsyncIterator[Work]:
    """One transaction in a database."""
    database = Database(url, application="test", clock=SystemClock(), pool_size=1)
    async with database.work() as work:
        yield work
    await database.close()


@pytest.mark.parametrize("empty", ["campaign"], indirect=True)
async def test_an_upgraded_campaign_has_the_schema_and_the_journeys_of_a_new_one(empty: tuple[str, str]) -> None:
    fresh, old = empty
    await migrate.upgrade("campaign", old, version="0001")
    async with at(old) as work:
        for one in FIRST:
            await work.run(
                "INSERT INTO journeys (id, version, definition) VALUES (:id, 1, CAST(:definition AS jsonb))",
                id=one["id"],
                definition=json.dumps(one),
            )
    ends = []
    for url in (old, fresh):
        await migrate.upgrade("campaign", url)
        async with at(url) as work:
            await publishing.publish(work, content.journeys())
            ends.append((await work.rows(COLUMNS), await journeys.every(work)))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("empty", ["campaign"], indirect=True)
async def test_what_triggered_a_message_before_there_were_runs_lets_nobody_in_again_and_what_waited_is_sent(
    empty: tuple[str, str], tmp_path: Path
) -> None:
    _, old = empty
    await migrate.upgrade("campaign", old, version="0012")
    ann, ben = uuid4(), uuid4()
    sent, waiting = rise(ann), rise(ben)
    async with at(old) as work:
        for one in FIRST:
            await work.run(
                "INSERT INTO journeys (id, version, definition) VALUES (:id, 1, CAST(:definition AS jsonb))",
                id=one["id"],
                definition=json.dumps(one),
            )
        for trigger, customer, state in ((sent, ann, "sent"), (waiting, ben, "pending")):
            await work.run(
                """
                INSERT INTO messages (id, journey_id, journey_version, profile_id, trigger_id, reached, state, due_at,
                                      created_at, handed_at, cause_occurred_at, cause_received_at, by_time, depth)
                VALUES (:id, 'welcome-to-tier', 1, :customer, :trigger, 'gold', :state, :now, :now, :now, :now, :now,
                        false, 0)
                """,
                id=uuid4(),
                customer=customer,
                trigger=str(trigger.event_id),
                state=state,
                now=NOON,
            )
    await migrate.upgrade("campaign", old)
    database = DeafDatabase(old, application="test", clock=StoppedClock())
    world = World(database, StoppedClock(), Provider(tmp_path / "taken.ndjson"))
    try:
        await world.hear(profile(ann), profile(ben, "ben@example.com"), sent, waiting)
        async with world.sending():
            await world.settled(all_in("sent"))
        assert [one["to"] for one in world.provider.taken] == ["ben@example.com"]
        assert ("skipped", "entered_before") in await world.decisions(ann)
    finally:
        await database.close()


@pytest.mark.parametrize("empty", ["segment"], indirect=True)
async def test_an_upgraded_segment_has_the_schema_and_the_policy_of_a_new_one(empty: tuple[str, str]) -> None:
    fresh, old = empty
    await segment_of_the_first_release(old, FIRST_POLICY)
    ends = [await started_segment(url) for url in (old, fresh)]
    assert ends[0] == ends[1]
    _, found = ends[0]
    assert [(one.id, one.version, one.policy) for one in found] == [("default", 1, DEFAULT_POLICY)]


@pytest.mark.parametrize("empty", ["segment"], indirect=True)
async def test_a_policy_that_the_shop_edited_in_place_stays_in_force_through_an_upgrade(
    empty: tuple[str, str],
) -> None:
    fresh, old = empty
    await segment_of_the_first_release(old, {**FIRST_POLICY, "loyal_orders": 3})
    columns, found = await started_segment(old)
    assert [(one.id, one.version, one.policy.loyal_orders) for one in found] == [("own", 1, 3), ("default", 1, 3)]
    assert columns == (await started_segment(fresh))[0]
    async with at(old) as work:
        assert await work.row("SELECT definition FROM policies WHERE id = 'default'") is not None, (
            "processes of the release before read it until they end"
        )
        await policies.publish(work, msgspec.structs.replace(DEFAULT_POLICY, new_days=7), 2)
        assert (await stored_policies.in_force(work)).loyal_orders == 3, "the shop's own counts, whatever is shipped"


@pytest.mark.parametrize("empty", ["segment"], indirect=True)
async def test_a_new_version_of_the_policy_arrives_and_one_that_is_published_stays_what_it_is(
    empty: tuple[str, str],
) -> None:
    url, _ = empty
    await started_segment(url)
    changed = msgspec.structs.replace(DEFAULT_POLICY, loyal_orders=5)
    async with at(url) as work:
        with pytest.raises(policies.PolicyChanged, match="raise its version"):
            await policies.publish(work, changed, 1)
        for _ in range(2):
            await policies.publish(work, changed, 2)
        assert await stored_policies.in_force(work) == changed
        await policies.publish(work)  # a process of the release before starts once more
        assert await stored_policies.in_force(work) == changed
        assert [one.version for one in await stored_policies.versions(work)] == [2, 1]


async def segment_of_the_first_release(url: str, policy: dict[str, Any]) -> None:
    await migrate.upgrade("segment", url, version="0001")
    async with at(url) as work:
        await work.run(
            "INSERT INTO policies (id, definition) VALUES ('default', CAST(:definition AS jsonb))",
            definition=json.dumps(policy),
        )


async def started_segment(url: str) -> tuple[Any, Sequence[stored_policies.StoredPolicy]]:
    """The columns and the policies of a database, once it is migrated and its service has started."""
    await migrate.upgrade("segment", url)
    async with at(url) as work:
        await policies.publish(work)
        return await work.rows(COLUMNS), await stored_policies.versions(work)


@pytest.mark.parametrize("empty", ["segment"], indirect=True)
async def test_an_upgraded_segment_has_the_programme_of_a_new_one(empty: tuple[str, str]) -> None:
    fresh, old = empty
    await segment_of_the_first_release(old, FIRST_POLICY)
    ends = [await programmes_of(url) for url in (old, fresh)]
    assert ends[0] == ends[1] == [("default", 1, DEFAULT_PROGRAMME)]


@pytest.mark.parametrize("empty", ["segment"], indirect=True)
async def test_tiers_that_the_shop_edited_are_a_programme_after_an_upgrade_and_everybody_is_looked_at_by_it(
    empty: tuple[str, str],
) -> None:
    _, old = empty
    tiers = [{"name": "普通", "from_minor": 0}, {"name": "金", "from_minor": 5_000}]
    edited = {**FIRST_POLICY, "currency": "CNY", "tiers": tiers, "tier_window_days": 99_999}
    await segment_of_the_first_release(old, edited)
    await migrate.upgrade("segment", old, version="0008")
    async with at(old) as work:
        await work.run("INSERT INTO standings (profile_id, tier, stage) VALUES (gen_random_uuid(), '金', 'prospect')")

    [(name, version, programme)] = await programmes_of(old)
    assert (name, version, programme.currency, programme.window) == ("default", 1, "CNY", Rolling(days=36_500))
    assert [(one.name, one.at_least) for one in programme.tiers] == [("普通", 0), ("金", 5_000)]
    async with at(old) as work:
        assert await rollout.roll_out(work, work.now) == 1
        row = await work.row("SELECT tier, tier_version FROM standings")
    assert row == ("普通", 1)


@pytest.mark.parametrize("empty", ["segment"], indirect=True)
@pytest.mark.parametrize("wrong", [{"tiers": "none"}, {"tier_window_days": -1}, {"tiers": []}], ids=str)
async def test_edited_tiers_that_make_no_sense_hold_no_upgrade_up(
    empty: tuple[str, str], wrong: dict[str, Any]
) -> None:
    _, old = empty
    await segment_of_the_first_release(old, {**FIRST_POLICY, **wrong})
    await programmes_of(old)
    async with at(old) as work:
        assert (await programme_versions.in_force(work, since=work.now)).default(work.now) == DEFAULT_PROGRAMME


async def programmes_of(url: str) -> list[tuple[str, int, Any]]:
    """The programmes of a database, once it is migrated and its service has started."""
    await migrate.upgrade("segment", url)
    async with at(url) as work:
        await definitions.publish(work)
        found = (await programme_versions.in_force(work, since=work.now)).every()
    return [(one.id, one.version, one.programme) for one in found]
