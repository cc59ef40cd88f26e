"""The shadow: a schema `rebuild` in the service's own database, in which its projections are built again.

A connection whose search path is SEARCH_PATH works on the shadow's tables wherever there is one, and on the service's
own everywhere else; so the service's own statements fill it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.database.database import Work

SCHEMA: Final = "rebuild"
SEARCH_PATH: Final = f"{SCHEMA}, public"
MARKS: Final = "stream_marks"  # the shadow reads from the beginning, so it has marks of its own, which are thrown away
LOCK_SECONDS: Final = 3  # whoever asks for a table behind a lock that waits, waits too: let them go on, try again


async def make(work: Work, tables: Sequence[str], *, filled: bool) -> None:
    """Makes empty copies of these tables, or filled ones, in the place of what an earlier rebuild left."""
    if filled:  # all tables as of one moment
        await work.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    await drop(work)
    await work.run(f"CREATE SCHEMA {SCHEMA}")
    for table in (*tables, MARKS):
        await work.run(f"CREATE UNLOGGED TABLE {SCHEMA}.{table} (LIKE public.{table} INCLUDING ALL)")
        if filled and table != MARKS:
            await work.run(f"INSERT INTO {SCHEMA}.{table} SELECT * FROM public.{table}")


async def drop(work: Work) -> None:
    """Takes the shadow away, if there is one."""
    await work.run(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


async def analyze(work: Work, tables: Iterable[str]) -> None:
    """Tells the planner what lies in the shadow."""
    for table in tables:
        await work.run(f"ANALYZE {SCHEMA}.{table}")


async def hold(work: Work, tables: Sequence[str]) -> None:
    """Keeps all who write these tables waiting until the transaction ends, and all batches; readers go on.

    First the offsets, at which every batch begins, then the tables, for loops that take no offset: a batch that
    waits here holds nothing, and one that was under way ends before this returns. A loop that has locked rows and
    goes on to write them is let through by PostgreSQL, as it has locked that table already.
    """
    await work.run(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    for table in ("consumer_offsets", *tables):
        await work.run(f"LOCK TABLE public.{table} IN EXCLUSIVE MODE")


async def exchange(work: Work, table: str) -> int:
    """Makes a held table's rows those of the shadow, touching only rows that differ; how many there were.

    The table itself stays, with its indexes, grants and views, and what is prepared on it stays valid.
    """
    rows = await work.rows(
        "SELECT quote_ident(a.attname) AS name, coalesce(a.attnum = ANY(i.indkey), false) AS key FROM pg_attribute a "
        "LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary "
        "WHERE a.attrelid = to_regclass(CAST(:table AS text)) AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attnum",
        table=f"public.{table}",
    )
    names = [row.name for row in rows]
    keys = [row.name for row in rows if row.key]
    same = " AND ".join(f"s.{name} = l.{name}" for name in keys)
    ours, theirs = (", ".join(f"{which}.{name}" for name in names) for which in "sl")
    gone = await work.run(
        f"DELETE FROM public.{table} l WHERE NOT EXISTS (SELECT 1 FROM {SCHEMA}.{table} s WHERE {same})"
    )
    changed = await work.run(
        f"INSERT INTO public.{table} ({', '.join(names)}) "
        f"SELECT {ours} FROM {SCHEMA}.{table} s LEFT JOIN public.{table} l ON {same} "
        f"WHERE l.{keys[0]} IS NULL OR ROW({ours}) IS DISTINCT FROM ROW({theirs}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"
    )
    return gone + changed
