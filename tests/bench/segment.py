"""`make bench-segment`: what live segments cost. Printed beside limits measured in the same run.

Consumption is what the consumer does with a batch of records: decode, remove repeats, fold, evaluate, store, publish to
the outbox, move the offset; without the fetch from the broker, which is the same with any number of segments.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvloop
from rich.table import Table

from deploy.local.kafka import ApacheKafka
from deploy.local.process import free_port
from services.segment.repository import memberships as memberships_rows
from services.segment.service import memberships
from shared.database.database import Database
from shared.service import process
from tests.bench.bench import give_up_core, take_core
from tests.bench.entering import latencies, remade
from tests.bench.segments.over_the_base import base
from tests.bench.segments.world import (
    NOW,
    World,
    come_to_rest,
    console,
    consume,
    define,
    fact,
    meet,
    pass_time,
    past,
    present,
)

LIVE: Final = (0, 20, 200)  # segments
PARTS: Final = ("consumption", "due", "latency", "base")
LATENCY_SECONDS: Final = 20.0
RATES: Final = (100.0, 1_000.0)  # events a second


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
            await come_to_rest(database)
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


async def due(world: World, *, customers: int) -> dict[str, float]:
    """Returns how many customers that are due are claimed a second, and how many memberships turn a second by time."""
    database = await world.database()
    await define(database, 20)
    await meet(database, customers)
    await consume(database, present(customers))
    async with database.work() as work:
        [row] = await work.rows("SELECT count(*) AS due FROM customer_segments WHERE due_at IS NOT NULL")
        await work.run("DELETE FROM outbox")
    later, seconds = NOW + timedelta(days=60), 0.0
    async with database.work() as work:
        while True:
            started = time.perf_counter()
            ids = await memberships_rows.claim_due(work, later, limit=memberships.DUE_BATCH)
            seconds += time.perf_counter() - started
            if not ids:
                break
            await work.run(
                "UPDATE customer_segments SET due_at = NULL WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=ids
            )
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
