"""What the file says of each customer, and what the services' databases say."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import asyncpg

from deploy.demo.cdnow import Line
from deploy.local.postgres import Postgres

Figures = Mapping[str, tuple[int, int]]


def by_file(lines: Iterable[Line]) -> Figures:
    """Each customer's order count and cents in the file."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for line in lines:
        count, cents = found[line.customer]
        found[line.customer] = (count + 1, cents + line.total_cents)
    return dict(found)


async def by_profile(postgres: Postgres) -> Figures:
    """Each customer's order count and cents in the profile service: its stored figures."""
    async with connected(postgres, "profile") as connection:
        rows = await connection.fetch(
            "SELECT i.value AS customer, p.orders, coalesce((p.spend_minor->>'USD')::bigint, 0) AS cents "
            "FROM profiles p JOIN identities i ON i.profile_id = p.id AND i.namespace = 'user_id'"
        )
    return {row["customer"]: (row["orders"], row["cents"]) for row in rows}


async def by_segment(postgres: Postgres) -> Figures:
    """Each customer's order count and cents in the segment service's own rows."""
    async with connected(postgres, "profile") as connection:
        owners = await connection.fetch("SELECT value, profile_id FROM identities WHERE namespace = 'user_id'")
    async with connected(postgres, "segment") as connection:
        rows = await connection.fetch(
            "SELECT profile_id, count(*) AS orders, sum(net_minor)::bigint AS cents FROM orders WHERE counts "
            "GROUP BY profile_id"
        )
    figures = {row["profile_id"]: (row["orders"], row["cents"]) for row in rows}
    return {row["value"]: figures[row["profile_id"]] for row in owners if row["profile_id"] in figures}


async def read_offsets(postgres: Postgres, service: str, cluster_id: str) -> int:
    """How many records a service has taken in from this cluster, by its own database."""
    async with connected(postgres, service) as connection:
        return int(
            await connection.fetchval(
                "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets WHERE cluster_id = $1", cluster_id
            )
        )


async def dead_letters(postgres: Postgres, service: str) -> int:
    """How many dead letters a service counted."""
    async with connected(postgres, service) as connection:
        return int(await connection.fetchval("SELECT coalesce(sum(dead), 0) FROM consumer_offsets"))


async def sent_triples(postgres: Postgres) -> list[tuple[str, str, str]]:
    """(profile, journey, trigger) of every message that the campaign service says it sent."""
    async with connected(postgres, "campaign") as connection:
        rows = await connection.fetch(
            "SELECT profile_id::text, journey_id, trigger_id FROM messages WHERE state = 'sent'"
        )
    return sorted((row["profile_id"], row["journey_id"], row["trigger_id"]) for row in rows)


class connected:  # noqa: N801 - used like a function
    """A connection to a service's database, as the service's own role."""

    def __init__(self, postgres: Postgres, service: str) -> None:
        self._url = postgres.database_url(service).replace("+asyncpg", "")
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()
