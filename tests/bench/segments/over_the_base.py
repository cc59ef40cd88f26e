"""Recomputing ten segments over a base, and previews, beside a scan, plain statements and DuckDB."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.local.process import run_to_end
from services.segment.domain.conditions.document import read
from services.segment.domain.conditions.query import Query
from services.segment.repository import evaluation
from services.segment.service import segments
from services.segment.service.definitions import LIMITS
from shared.database.database import Database, Work
from tests.bench.bench import HERE
from tests.bench.segments import EVENTS, definitions, in_duckdb
from tests.bench.segments.world import EVENTS_A_CUSTOMER, NOW, World, console

PEERS: Final = HERE / "peers"


async def timed(statement: Callable[[Work], Any], database: Database) -> float:
    """Returns the seconds that a transaction takes."""
    async with database.work() as work:
        work.now = NOW
        started = time.perf_counter()
        await statement(work)
        return time.perf_counter() - started


async def fill(database: Database, customers: int) -> None:
    """Makes a base by SQL: customers with traits and figures, ten events each."""
    async with database.work() as work:
        await work.run(
            """
            INSERT INTO standings (profile_id, tier, stage)
            SELECT gen_random_uuid(), 'bronze', 'prospect' FROM generate_series(1, CAST(:many AS int))
            """,
            many=customers,
        )
        await work.run(
            """
            INSERT INTO customers (profile_id, version, traits, orders, spend_minor, first_seen, last_seen)
            SELECT profile_id, 1,
                   jsonb_build_object('city', 'City ' || (random() * 49)::int, 'age', 18 + (random() * 60)::int),
                   (random() * 5)::int, jsonb_build_object('USD', (random() * 12500)::int), :now, :now
              FROM standings
            """,
            now=NOW,
        )
        await work.run(
            """
            INSERT INTO history (profile_id, name, at, event_id, properties)
            SELECT s.profile_id, (CAST(:names AS text[]))[1 + (random() * 7)::int],
                   CAST(:now AS timestamptz) - random() * interval '30 days', gen_random_uuid(),
                   jsonb_build_object('sku', 'T-' || e, 'price', e)
              FROM standings s
             CROSS JOIN generate_series(1, CAST(:each AS int)) e
             ORDER BY s.profile_id
            """,
            names=list(EVENTS),
            now=NOW,
            each=EVENTS_A_CUSTOMER,
        )
    async with database.statement() as work:
        for table in ("standings", "customers", "history"):
            await work.run(f"VACUUM ANALYZE {table}")


async def put(database: Database, conditions: Mapping[str, Any]) -> None:
    """Makes the base's memberships by SQL; one in a thousand is missing."""
    for name, condition in conditions.items():
        query = Query(NOW)
        statement = query.statement({"member": read(condition, LIMITS).sql(query)})
        async with database.work() as work:
            await work.run(
                f"""
                INSERT INTO memberships (profile_id, segment_id, version, member, since)
                SELECT profile_id, :segment, 1, TRUE, :now
                  FROM ({statement}) q
                 WHERE member AND random() > 0.001
                 ORDER BY profile_id
                """,
                segment=name,
                **query.parameters,
            )
    async with database.statement() as work:
        await work.run("VACUUM ANALYZE memberships")


EXPORTED: Final = {
    "customers": """SELECT profile_id, traits ->> 'city', traits ->> 'age', orders, coalesce(spend_minor ->> 'USD', '0')
                      FROM customers""",
    "history": "SELECT profile_id, name, at FROM history",
    "memberships": "SELECT profile_id, segment_id FROM memberships WHERE member",
}


async def in_duckdb_seconds(database: Database, home: Path) -> float:
    """Returns in how many seconds DuckDB recomputes the same, and compares, in an environment of its own."""
    folder = home / "duckdb"
    folder.mkdir()
    (folder / "queries.json").write_bytes(msgspec.json.encode(in_duckdb()))
    async with database.work() as work:
        raw = (await work.connection.get_raw_connection()).driver_connection
        assert raw is not None
        for table, query in EXPORTED.items():
            await raw.copy_from_query(query, output=str(folder / f"{table}.csv"), format="csv", timeout=600)
    log, python = folder / "log", str(folder / "env" / "bin" / "python")
    await run_to_end("venv", [sys.executable, "-m", "venv", str(folder / "env")], log=log, deadline_seconds=120)
    install = [python, "-m", "pip", "install", "--require-hashes", "-r", str(PEERS / "duckdb.txt")]
    await run_to_end("pip", install, log=log, deadline_seconds=300)
    command = [python, str(PEERS / "recompute_in_duckdb.py"), str(folder), NOW.isoformat()]
    printed = await run_to_end("duckdb", command, log=log, deadline_seconds=600)
    answer = msgspec.json.decode(printed.splitlines()[-1])
    console.print(f"  DuckDB: {answer['differ']:,} memberships differ")
    return float(answer["seconds"])


async def base(world: World, home: Path, *, customers: int, rounds: int) -> dict[str, list[float]]:
    """Returns seconds of recomputing ten segments over a base, of scanning it, and of the slowest preview."""
    database = await world.database()
    with console.status(f"making {customers:,} customers"):
        await fill(database, customers)
    ten = dict(definitions(10))
    with console.status("putting them into ten segments"):
        await put(database, ten)
    found: dict[str, list[float]] = {"scan": [], "recompute": [], "rescan": []}
    found |= {f"preview {name}": [] for name in ten}

    async def scan(work: Work) -> None:
        await work.run("SET LOCAL max_parallel_workers_per_gather = 0")
        for table in ("standings", "customers", "history", "memberships"):
            await work.run(f"SELECT count(*) FROM {table} t WHERE t IS NULL")

    async def recompute(work: Work) -> None:
        query = Query(NOW)
        verdicts = {name: f"coalesce({read(one, LIMITS).sql(query)}, FALSE)" for name, one in ten.items()}
        differing = await evaluation.differences(work, query, verdicts, limit=customers)
        found["differ"] = [float(sum(map(len, differing.values())))]

    async def rescan(work: Work) -> None:
        for one in ten.values():
            query = Query(NOW)
            statement = query.statement({"member": read(one, LIMITS).sql(query)})
            await work.run(f"SELECT profile_id FROM ({statement}) q WHERE member", **query.parameters)

    with console.status("the same in DuckDB"):
        found["DuckDB, all in memory"] = [await in_duckdb_seconds(database, home)]
    for _ in range(rounds):
        found["scan"].append(await timed(scan, database))
        found["recompute"].append(await timed(recompute, database))
        found["rescan"].append(await timed(rescan, database))
        for name, condition in ten.items():

            async def ask(work: Work, condition: Any = condition) -> None:
                await segments.preview(work, condition)

            found[f"preview {name}"].append(await timed(ask, database))
    await database.close()
    return found
