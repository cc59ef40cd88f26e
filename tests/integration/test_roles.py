"""A service whose tables another role owns: it reads and writes them, and changes none."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from deploy.local.postgres import Postgres
from shared.database import migrate
from shared.database.database import Database, sqlstate
from shared.database.sql import sql
from shared.service.clock import SystemClock

INSUFFICIENT_PRIVILEGE = "42501"
USER = "rapport_campaign"
OWNER = "rapport_campaign_owner"


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    """The database of campaign, made by its owner, as its user sees it."""
    name = f"test_roles_{uuid4().hex[:12]}"
    owners = await postgres.create_database(name, OWNER)
    await postgres.create_database(f"{name}_own", USER)  # makes the role
    async with postgres.administration() as connection:
        await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {USER}")
    for _ in range(2):
        await migrate.upgrade("campaign", owners, user=USER)
    made = Database(postgres.url(name, USER), application="test", clock=SystemClock(), pool_size=1)
    yield made
    await made.close()
    for one in (name, f"{name}_own"):
        await postgres.drop_database(one)


async def test_it_reads_and_writes_every_table(database: Database) -> None:
    async with database.work() as work:
        tables = [row.tablename for row in await work.rows("SELECT tablename FROM pg_tables WHERE schemaname='public'")]
        assert {"outbox", "consumer_offsets"} < set(tables)
        for table in tables:
            await work.rows(f"SELECT * FROM {table}")
            if table != "alembic_version":
                await work.run(f"DELETE FROM {table}")
        await work.run("INSERT INTO outbox (topic, key, headers, value) VALUES ('t', '', '[]', '')")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (number int)",
        "DROP TABLE outbox",
        "ALTER TABLE outbox ADD COLUMN more text",
        "TRUNCATE outbox",
        "CREATE SCHEMA mine",
        "UPDATE alembic_version SET version_num = '0000'",
        "CREATE TEMP TABLE mine (number int)",
    ],
)
async def test_it_changes_no_table(database: Database, statement: str) -> None:
    async with database.engine.connect() as connection:
        with pytest.raises(DBAPIError) as raised:
            await connection.execute(sql(statement))
    assert sqlstate(raised.value) == INSUFFICIENT_PRIVILEGE
