"""`make bench-segment`: what live segments cost. Printed beside limits measured in the same run.

Consumption is what the consumer does with a batch of records: decode, remove repeats, fold, evaluate, store, publish to
the outbox, move the offset; without the fetch from the broker, which is the same with any number of segments.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from deploy.local.kafka import ApacheKafka
from deploy.local.placement import remove_data
from deploy.local.postgres import Postgres
from deploy.local.process import free_port, run_to_end
from services.segment.domain.conditions.document import read
from services.segment.domain.conditions.query import Query
from services.segment.repository import evaluation
from services.segment.repository import memberships as memberships_rows
from services.segment.service import intake, memberships, policies, segments
from services.segment.service.definitions import LIMITS
from shared.audit import Actor
from shared.contracts import wire
from shared.contracts.changes import ProfileChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, CustomEvent, OrderPlaced
from shared.database.database import SESSION, Database, Work
from shared.kafka.decoding import decode
from shared.service import process
from shared.service.clock import SystemClock
from tests.bench.bench import HERE, give_up_core, take_core
from tests.bench.entering import latencies, remade
from tests.bench.segments import CITIES, EVENTS, definitions, in_duckdb
from tests.support.databases import Databases

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
BATCH: Final = 500
BATCH_SECONDS: Final = 5
LIVE: Final = (0, 20, 200)  # segments
PARTS: Final = ("consumption", "due", "latency", "base")
LATENCY_SECONDS: Final = 20.0
RATES: Final = (100.0, 1_000.0)  # events a second
EVENTS_A_CUSTOMER: Final = 10
MARKETER: Final = Actor("bench", ("segment:write",))
PEERS: Final = HERE / "peers"
console = Console()

Record = tuple[list[tuple[str, bytes]], bytes]


def customer(n: int) -> UUID:
    """Returns the id of a customer by number: spread as real ids are."""
    return UUID(int=random.Random(n).getrandbits(128))


def fact(n: int, randomness: random.Random, customers: int, at: datetime) -> Event:
    """Returns an event of one of so many customers."""
    name = EVENTS[randomness.randrange(len(EVENTS))]
    body: Body = CustomEvent(name=name, properties={"sku": f"T-{n % 100}", "price": n % 50})
    if name == "order_placed":
        body = OrderPlaced(order_id=f"O-{n}", currency="USD", total_minor=1_000 + n % 10_000)
    return Event(
        event_id=UUID(int=randomness.getrandbits(128)),
        source_id=str(UUID(int=1)),
        source_kind=SourceKind.SERVER,
        occurred_at=at,
        received_at=at,
        body=body,
        profile_id=customer(randomness.randrange(customers)),
        origin=0,
        sequence=n,
    )


def changed(n: int, version: int = 1) -> Event:
    """Returns how a customer is, by number."""
    randomness = random.Random(n)
    profile_id = customer(n)
    traits = {"city": CITIES[randomness.randrange(len(CITIES))], "age": randomness.randrange(18, 80)}
    orders = randomness.randrange(6)
    body = ProfileChanged(
        profile_id=profile_id,
        version=version,
        first_seen=NOW - timedelta(days=90),
        last_seen=NOW,
        traits=traits,
        orders=orders,
        spend_minor={"USD": orders * 2_500} if orders else {},
    )
    return Event(
        event_id=UUID(int=randomness.getrandbits(128)),
        source_id=str(UUID(int=2)),
        source_kind=SourceKind.SERVICE,
        occurred_at=NOW,
        received_at=NOW,
        body=body,
        profile_id=profile_id,
    )


async def define(database: Database, many: int) -> None:
    """Publishes this many segments; the base, which is empty, is looked at by each."""
    async with database.work() as work:
        for segment_id, condition in definitions(many):
            row = await segments.create(
                work, segment_id, name=segment_id, description="", document=condition, by=MARKETER
            )
            await segments.publish(work, segment_id, revision=row.revision, by=MARKETER)
    while True:
        async with database.work() as work:
            if not await memberships.backfill(work):
                return


async def meet(database: Database, customers: int) -> None:
    """Makes the customers known."""
    for start in range(0, customers, BATCH):
        async with database.work() as work:
            work.now = NOW
            await intake.follow(work, [changed(n) for n in range(start, min(start + BATCH, customers))])


def past(customers: int) -> list[Record]:
    """Returns what customers did in the 30 days before, in order."""
    randomness = random.Random(6)
    many = customers * EVENTS_A_CUSTOMER
    seconds = sorted(randomness.randrange(30 * 86_400) for _ in range(many))
    begin = NOW - timedelta(days=30)
    return [wire.encode(fact(n, randomness, customers, begin + timedelta(seconds=at))) for n, at in enumerate(seconds)]


def present(customers: int) -> list[Record]:
    """Returns what happens now: a batch in as many seconds as `BATCH_SECONDS`, two events a customer."""
    randomness = random.Random(7)
    return [
        wire.encode(fact(1_000_000 + n, randomness, customers, NOW + n * timedelta(seconds=BATCH_SECONDS) / BATCH))
        for n in range(customers * 2)
    ]


async def consume(database: Database, records: Sequence[Record]) -> float:
    """Applies records, a batch a transaction at the time of its last; CPU and waiting together, in events a second."""
    started = time.perf_counter()
    for start in range(0, len(records), BATCH):
        batch = [decode(headers, value) for headers, value in records[start : start + BATCH]]
        async with database.work() as work:
            work.now = batch[-1].occurred_at
            await intake.fold(work, batch)
    return len(records) / (time.perf_counter() - started)


async def pass_time(database: Database) -> None:
    """Does all that is due by now."""
    while True:
        async with database.work() as work:
            work.now = NOW
            if not await memberships.flip_due(work, NOW):
                return


class World:
    """A PostgreSQL server of the benchmark's own, and a database each time one is asked for."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.server = Postgres(home, free_port(), durable=False)
        self.databases = Databases(self.server)
        self._made: list[Database] = []
        self.url = ""  # of the last database

    async def database(self) -> Database:
        """Returns a database of segment, as new, whose statements may take long."""
        name = await self.databases.take("segment")
        self.url = self.databases.url("segment", name)
        patient = {**SESSION, "transaction_timeout": "0", "statement_timeout": "0"}
        made = Database(
            self.url,
            application="bench",
            clock=SystemClock(),
            session=patient,
            command_timeout_seconds=600,
        )
        async with made.work() as work:
            await policies.publish(work)
        self._made.append(made)
        return made

    async def close(self) -> None:
        """Stops everything."""
        for one in self._made:
            await one.close()
        await self.server.stop()
        remove_data(self._home)


async def consumption(
    world: World, *, customers: int, rounds: int
) -> tuple[dict[int, list[float]], dict[int, tuple[float, float]]]:
    """Returns by how many segments are live: the rates of interleaved rounds, in events a second, and bytes a customer.

    These are of facts, and of memberships; with what updates have left behind.
    """
    sizes: dict[int, tuple[float, float]] = {}
    history, records = past(customers), present(customers)
    rates: dict[int, list[float]] = {many: [] for many in LIVE}
    for _ in range(rounds):
        for many in LIVE:
            database = await world.database()
            await define(database, many)
            await meet(database, customers)
            await consume(database, history)
            await pass_time(database)
            rates[many].append(await consume(database, records))
            console.print(f"  {many:>3} segments: {rates[many][-1]:,.0f} events/s")
            sizes[many] = (
                await _bytes(database, ("history", "occurrences", "orders", "customers")) / customers,
                await _bytes(database, ("memberships", "customer_segments")) / customers,
            )
            await database.close()
    return rates, sizes


async def _bytes(database: Database, tables: Sequence[str]) -> int:
    async with database.work() as work:
        [row] = await work.rows(
            "SELECT sum(pg_total_relation_size(CAST(t AS regclass))) AS bytes FROM unnest(CAST(:tables AS text[])) t",
            tables=list(tables),
        )
    return int(row.bytes)


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


async def latency(world: World, home: Path, *, customers: int) -> dict[float, list[float]]:
    """Returns how long events take to be told as entering, by rate: the last is half of what one process folds."""
    broker = ApacheKafka(home / "kafka", free_port())
    await broker.start()
    found: dict[float, list[float]] = {}
    try:
        for n, asked in enumerate((*RATES, None)):
            database = await world.database()
            await define(database, 20)
            await meet(database, customers)
            await consume(database, past(customers))
            rate = asked or await consume(database, present(customers)) / 2
            await database.close()
            await remade(broker)
            found[rate] = await latencies(
                broker,
                world.url,
                lambda k, randomness, at: fact(2_000_000 + k, randomness, customers, at),
                home=home,
                rate=rate,
                seconds=LATENCY_SECONDS,
                seed=n,
            )
            console.print(f"  {rate:,.0f} events/s: {len(found[rate]):,} events were told of")
    finally:
        await broker.kill()
    return found


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


async def due(world: World, *, customers: int) -> dict[str, float]:
    """Returns how many customers that are due are claimed a second, and how many memberships turn a second by time."""
    database = await world.database()
    await define(database, 20)
    await meet(database, customers)
    await consume(database, present(customers))
    async with database.work() as work:
        [row] = await work.rows("SELECT count(*) AS due FROM memberships WHERE due_at IS NOT NULL")
        await work.run("DELETE FROM outbox")
    later, seconds = NOW + timedelta(days=60), 0.0
    async with database.work() as work:
        while True:
            started = time.perf_counter()
            ids = await memberships_rows.claim_due(work, later, limit=memberships.DUE_BATCH)
            seconds += time.perf_counter() - started
            if not ids:
                break
            await work.run("UPDATE memberships SET due_at = NULL WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=ids)
        await work.connection.rollback()
    claims = row.due / seconds
    started = time.perf_counter()
    while True:
        async with database.work() as work:
            work.now = later
            if not await memberships.flip_due(work, later):
                break
    seconds = time.perf_counter() - started
    async with database.work() as work:
        [flipped] = await work.rows("SELECT count(*) AS turns FROM outbox")
    await database.close()
    return {"due rows claimed": claims, "memberships turned by time, published": flipped.turns / seconds}


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


async def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, and prints tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.segment", description=__doc__)
    parser.add_argument("--customers", type=int, default=3_000, help="whose events are consumed")
    parser.add_argument("--base", type=int, default=1_000_000, help="customers of the base that is recomputed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args(arguments)
    process.spare_collections(asyncio.get_running_loop())  # as the services do
    every = os.sched_getaffinity(0)
    for part in PARTS if options.only is None else (options.only,):
        os.sched_setaffinity(0, every)
        # Over the base it is PostgreSQL that works, on all cores.
        console.print(f"[bold]{part}[/]: {'all cores for PostgreSQL' if part == 'base' else give_up_core()}")
        with tempfile.TemporaryDirectory(prefix="rapport-bench-") as home:
            _open(Path(home))
            world = World(Path(home) / "postgres")
            await world.server.start()
            try:
                await _measure(part, world, Path(home), options)
            finally:
                await world.close()
    return 0


def _open(home: Path) -> None:
    home.chmod(0o755)  # as root, PostgreSQL runs as another user


async def _measure(part: str, world: World, home: Path, options: argparse.Namespace) -> None:
    if part == "due":
        take_core()
        _show_due(await due(world, customers=3 * options.customers))
    elif part == "consumption":
        take_core()
        _show_consumption(*await consumption(world, customers=options.customers, rounds=options.rounds))
    elif part == "latency":
        _show_latency(await latency(world, home, customers=options.customers))
    else:
        _show_base(await base(world, home, customers=options.base, rounds=options.rounds))


def _show_consumption(rates: dict[int, list[float]], sizes: dict[int, tuple[float, float]]) -> None:
    columns = ("live segments", "events/s", "÷ none", "bytes of facts a customer", "of memberships")
    table = Table(*columns, title="consumption")
    for many, several in rates.items():
        ratio = statistics.median(one / none for one, none in zip(several, rates[0], strict=True))
        facts, ours = sizes[many]
        table.add_row(str(many), f"{statistics.median(several):,.0f}", f"{ratio:.2f}", f"{facts:,.0f}", f"{ours:,.0f}")
    console.print(table)


def _show_due(found: dict[str, float]) -> None:
    table = Table("by time alone", "a second", title="20 live segments")
    for name, rate in found.items():
        table.add_row(name, f"{rate:,.0f}")
    console.print(table)


def _show_latency(found: dict[float, list[float]]) -> None:
    table = Table("events/s", "p50 ms", "p99 ms", "most", title="from an event to SegmentEntered, 20 live segments")
    for rate, seconds in found.items():
        places = (seconds[min(int(len(seconds) * of), len(seconds) - 1)] * 1_000 for of in (0.5, 0.99, 1.0))
        table.add_row(f"{rate:,.0f}", *(f"{one:,.0f}" for one in places))
    console.print(table)


def _show_base(found: dict[str, list[float]]) -> None:
    table = Table("over the base", "seconds", "÷ scan", title="recompute and preview")
    scan = statistics.median(found["scan"])
    console.print(f"  {found.pop('differ')[0]:,.0f} memberships differ")
    for name, several in found.items():
        seconds = statistics.median(several)
        table.add_row(name, f"{seconds:.2f}", f"{seconds / scan:.1f}")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(uvloop.run(main()))  # as the services do
