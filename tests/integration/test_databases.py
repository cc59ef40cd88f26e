"""The databases that tests share: whoever takes one finds it as the migrations left it."""

import pytest

from deploy.local.settings import SERVICES
from tests.support.databases import Databases


async def content(databases: Databases, name: str, tables: list[str]) -> dict[str, str]:
    """All rows of a database, by table, and where its sequences stand."""
    async with databases.postgres.administration(name) as connection:
        found = {
            table: str(await connection.fetchval(f'SELECT array_agg(t::text ORDER BY t::text) FROM "{table}" t'))
            for table in tables
        }
        return found | {"sequences": str(await connection.fetch("SELECT * FROM pg_sequences ORDER BY 1, 2"))}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_database_that_was_given_back_is_as_new(databases: Databases, service: str) -> None:
    template = await databases.template(service)
    new = await content(databases, template.name, template.tables)
    name = await databases.take(service)
    async with databases.postgres.administration(name) as connection:
        await connection.execute(
            "INSERT INTO consumer_offsets (cluster_id, topic, generation, partition, epoch, next_offset) "
            "VALUES ('c', 't', 1, 0, 1, 7)"
        )
        for table in template.rows:
            await connection.execute(f'DELETE FROM "{table}"')
        await connection.execute("SELECT nextval(format('%I', sequencename)) FROM pg_sequences")
    await databases.give_back(service, name)
    again = await databases.take(service)
    assert again == name
    assert await content(databases, again, template.tables) == new
    await databases.give_back(service, again)


async def test_a_database_of_another_shape_is_given_to_nobody(databases: Databases) -> None:
    name = await databases.take("feedback")
    async with databases.postgres.administration(name) as connection:
        await connection.execute("CREATE TABLE more (id integer)")
    await databases.give_back("feedback", name)
    async with databases.postgres.administration() as connection:
        assert not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name)
