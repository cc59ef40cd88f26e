"""SQL on names: which events, properties, traits and the like were seen, each asked for in a bounded time."""

from collections.abc import Collection, Sequence
from typing import Final

from shared.database.database import Work

MAX_NAMES: Final = 1_000  # of a kind, as hints
LATEST: Final = 200  # events of a name whose properties are looked at
SAMPLED: Final = 10_000  # customers who are looked at


async def events(work: Work, asked: Collection[str]) -> set[str]:
    """Returns the names of events in histories: the first `MAX_NAMES`, and those of the asked ones that are there."""
    rows = await work.rows(
        f"""
          WITH RECURSIVE {_loose("history", "name")}
        SELECT name FROM found WHERE name IS NOT NULL
         UNION
        SELECT q.name FROM unnest(CAST(:asked AS text[])) q(name)
         WHERE EXISTS (SELECT FROM history h WHERE h.name = q.name)
        """,
        asked=sorted(asked),
        most=MAX_NAMES,
    )
    return {row.name for row in rows}


async def tags(work: Work, asked: Collection[str]) -> set[str]:
    """Returns tags that are defined or that somebody has: the first `MAX_NAMES`, and the asked ones that there are."""
    return await _belongings(work, asked, table="customer_tags", name="tag", among="set", defined="tags", key="name")


async def lists(work: Work, asked: Collection[str]) -> set[str]:
    """Returns lists that are defined or that somebody is on: the first `MAX_NAMES`, and the asked ones there are."""
    return await _belongings(
        work, asked, table="list_members", name="list_id", among="member", defined="lists", key="id"
    )


async def _belongings(
    work: Work, asked: Collection[str], *, table: str, name: str, among: str, defined: str, key: str
) -> set[str]:
    rows = await work.rows(
        f"""
          WITH RECURSIVE {_loose(table, name, among)}
        SELECT name FROM found WHERE name IS NOT NULL
         UNION
        (SELECT {key} FROM {defined} ORDER BY {key} LIMIT :most)
         UNION
        SELECT q.name FROM unnest(CAST(:asked AS text[])) q(name)
         WHERE EXISTS (SELECT FROM {table} t WHERE t.{name} = q.name AND t.{among})
            OR EXISTS (SELECT FROM {defined} d WHERE d.{key} = q.name)
        """,
        asked=sorted(asked),
        most=MAX_NAMES,
    )
    return {row.name for row in rows}


def _loose(table: str, name: str, among: str = "TRUE") -> str:
    """Returns the recursion that goes through an index from each name to the next, not through all rows."""
    return f"""found(name, n) AS (
               (SELECT {name}, 1 FROM {table} WHERE {among} ORDER BY {name} LIMIT 1)
                UNION ALL
               SELECT (SELECT t.{name} FROM {table} t WHERE {among} AND t.{name} > f.name ORDER BY t.{name} LIMIT 1),
                      f.n + 1
                 FROM found f
                WHERE f.name IS NOT NULL AND f.n < :most
               )"""


async def properties(work: Work, names: Collection[str]) -> dict[str, set[str]]:
    """Returns the names of the properties of the latest events of these names that are there."""
    rows = await work.rows(
        """
        SELECT q.name, array_agg(DISTINCT k.key) AS keys
          FROM unnest(CAST(:names AS text[])) q(name)
         CROSS JOIN LATERAL (
               SELECT properties
                 FROM history h
                WHERE h.name = q.name
                ORDER BY h.at DESC
                LIMIT :latest
               ) h
         CROSS JOIN LATERAL jsonb_object_keys(h.properties) k(key)
         GROUP BY q.name
        """,
        names=sorted(names),
        latest=LATEST,
    )
    return {row.name: set(row.keys) for row in rows}


async def of_customers(work: Work, columns: Sequence[str]) -> dict[str, set[str]]:
    """Returns the names in these documents of customers, by column: of `SAMPLED` customers, spread over the table."""
    size = await work.row("SELECT reltuples FROM pg_class WHERE oid = CAST('customers' AS regclass)")
    assert size is not None
    share = min(100.0, 100.0 * SAMPLED / max(size.reltuples, 1.0))
    keys = "\n         UNION\n        ".join(
        f"SELECT '{column}' AS part, jsonb_object_keys({column}) AS name FROM sample" for column in columns
    )
    rows = await work.rows(
        f"""
          WITH sample AS (
               SELECT {", ".join(columns)} FROM customers TABLESAMPLE SYSTEM (:share) LIMIT :most
               )
        {keys}
        """,
        share=share,
        most=SAMPLED,
    )
    found: dict[str, set[str]] = {column: set() for column in columns}
    for row in rows:
        found[row.part].add(row.name)
    return found
