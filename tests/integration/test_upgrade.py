"""A database of the first release, upgraded, is what a new one is: its schema, and what came with the service."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import uuid4

import pytest

from deploy.local.postgres import Postgres
from services.campaign import content
from services.campaign.service import operations, publishing
from shared.database import migrate
from shared.database.database import Database
from shared.service.clock import SystemClock

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
COLUMNS: Final = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
      FROM information_schema.columns
     WHERE table_schema = 'public'
     ORDER BY 1, 2
"""


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[tuple[str, str]]:
    """The URLs of two empty databases."""
    names = [f"test_upgrade_{uuid4().hex[:12]}" for _ in range(2)]
    first, second = [await postgres.create_database(name, "rapport_campaign") for name in names]
    yield first, second
    for name in names:
        await postgres.drop_database(name)


async def test_an_upgraded_campaign_has_the_schema_and_the_journeys_of_a_new_one(empty: tuple[str, str]) -> None:
    fresh, old = empty
    await migrate.upgrade("campaign", old, version="0001")
    database = Database(old, application="test", clock=SystemClock(), pool_size=1)
    async with database.work() as work:
        for one in FIRST:
            await work.run(
                "INSERT INTO journeys (id, version, definition) VALUES (:id, 1, CAST(:definition AS jsonb))",
                id=one["id"],
                definition=json.dumps(one),
            )
    await database.close()
    assert await started(old) == await started(fresh)


async def started(url: str) -> Any:
    """The columns and the journeys of a database, once it is migrated and its service has started."""
    await migrate.upgrade("campaign", url)
    database = Database(url, application="test", clock=SystemClock(), pool_size=1)
    async with database.work() as work:
        await publishing.publish(work, content.journeys())
        found = await work.rows(COLUMNS), await operations.journeys(work)
    await database.close()
    return found
