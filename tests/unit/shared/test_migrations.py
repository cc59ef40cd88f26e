"""What the migrations make is what the models say, in every service."""

import importlib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import migrate
from tests.conftest import DatabaseFactory

SERVICES = sorted(path.parent.name for path in (Path(migrate.ROOT) / "services").glob("*/models.py"))


def differences(connection: Connection, service: str) -> list[object]:
    models = importlib.import_module(f"services.{service}.models")
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), models.Base.metadata))


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrated_schema_is_what_the_models_say(database_factory: DatabaseFactory, service: str) -> None:
    engine = create_async_engine(await database_factory(service))
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences, service) == []
    finally:
        await engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
async def test_migrating_again_changes_nothing(database_factory: DatabaseFactory, service: str) -> None:
    url = await database_factory(service)
    await migrate.upgrade(service, url)
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            assert len((await connection.execute(text("SELECT version_num FROM alembic_version"))).all()) == 1
    finally:
        await engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_says_whether_a_rebuild_may_empty_it(service: str) -> None:
    models = importlib.import_module(f"services.{service}.models")
    unmarked = [
        mapper.class_.__name__
        for mapper in models.Base.registry.mappers
        if not (mapper.class_.__doc__ or "").startswith(("RECORD", "PROJECTION"))
    ]

    assert unmarked == []
