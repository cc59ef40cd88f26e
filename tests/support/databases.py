"""Databases for tests: a service's own, as new, without the price of making one each time.

To copy a template takes PostgreSQL some 50 ms of a core, and more on a busy machine; to empty a database that a test
has left takes 2 ms. So a database goes back to a pool, and comes out of it as the migrations left the template.
"""

import io
import uuid
from dataclasses import dataclass, field
from typing import Final

from asyncpg import Connection
from asyncpg.pool import PoolConnectionProxy

from deploy.local.postgres import Postgres
from shared.database import migrate
from shared.service import process
from tests.support.applications import build

# Everything whose difference means that a test changed more than rows: such a database is dropped.
SHAPE: Final = """
    SELECT array_agg(format('%s.%s.%s', n.nspname, c.relname, a.attname)
                     ORDER BY n.nspname, c.relname, a.attnum) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND a.attnum > 0 AND NOT a.attisdropped
"""
TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
SEQUENCES: Final = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"


@dataclass(frozen=True)
class Template:
    """A service's database as its migrations leave it: what it is made of, and the few rows that are in it."""

    name: str
    shape: list[str]
    tables: list[str]
    rows: dict[str, bytes]
    sequences: dict[str, int | None]


@dataclass
class Databases:
    """Makes databases on one server, and takes them back."""

    postgres: Postgres
    _templates: dict[str, Template] = field(default_factory=dict)
    _free: dict[str, list[str]] = field(default_factory=dict)

    async def template(self, service: str) -> Template:
        """Returns the service's template, made at its first use."""
        if service not in self._templates:
            name = f"template_{service}"
            url = await self.postgres.create_database(name, f"rapport_{service}")
            await migrate.upgrade(service, url)
            await _start(service, url)
            async with self.postgres.administration(name) as connection:
                self._templates[service] = await _template(name, connection)
        return self._templates[service]

    async def take(self, service: str) -> str:
        """Returns the name of a database with that service's tables, as new."""
        free = self._free.setdefault(service, [])
        if free:
            return free.pop()
        name = f"test_{service}_{uuid.uuid4().hex[:12]}"
        await self.postgres.create_database(name, f"rapport_{service}", (await self.template(service)).name)
        return name

    def url(self, service: str, name: str) -> str:
        """Returns the URL of a database, as the service's own role."""
        return self.postgres.url(name, f"rapport_{service}")

    async def give_back(self, service: str, name: str) -> None:
        """Empties a database for the next test; drops it if more than its rows was changed."""
        template = await self.template(service)
        async with self.postgres.administration(name) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            same = await connection.fetchval(SHAPE) == template.shape
            if same:
                await _empty(connection, template)
        if same:
            self._free[service].append(name)
        else:
            await self.postgres.drop_database(name)


async def _start(service: str, url: str) -> None:
    """Does what the service does in its database at its start."""
    made = build(service, url)
    await process.prepare(made)
    await made.database.close()


async def _template(name: str, connection: "Connection | PoolConnectionProxy") -> Template:
    tables = [row["tablename"] for row in await connection.fetch(TABLES)]
    rows: dict[str, bytes] = {}
    for table in tables:
        if await connection.fetchval(f'SELECT EXISTS (SELECT FROM "{table}")'):
            content = io.BytesIO()
            await connection.copy_from_table(table, output=content)
            rows[table] = content.getvalue()
    sequences = {row["sequencename"]: row["last_value"] for row in await connection.fetch(SEQUENCES)}
    return Template(name, await connection.fetchval(SHAPE), tables, rows, sequences)


async def _empty(connection: "Connection | PoolConnectionProxy", template: Template) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # no order between foreign keys
        await connection.execute(";".join(f'DELETE FROM "{table}"' for table in template.tables))
        for table, rows in template.rows.items():
            await connection.copy_to_table(table, source=io.BytesIO(rows))
        for row in await connection.fetch(SEQUENCES):
            name, before = row["sequencename"], template.sequences[row["sequencename"]]
            if before is None and row["last_value"] is not None:
                await connection.execute(f'ALTER SEQUENCE "{name}" RESTART')
            elif before is not None:
                await connection.execute("SELECT setval($1::regclass, $2)", name, before)
