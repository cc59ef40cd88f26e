"""`make bench-scores`: what the base's cut points cost an hour, and what counts kept by the fold would cost instead.

A base of made-up customers on a PostgreSQL of its own. CPU time is what /proc says of the backend, and Python's own.
The counts that a fold would keep are a row for each value of what is scored on; a customer who orders takes one from
the row of each value that was, and adds one to that of the value that is, here for 500 customers a transaction.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from deploy.local.placement import remove_data
from deploy.local.postgres import Postgres
from deploy.local.process import free_port
from services.segment.domain import scores as domain
from services.segment.repository import scores as repository
from services.segment.service import policies, scores
from shared.database import migrate
from shared.database.database import Database, Work
from shared.service.clock import SystemClock

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
BATCH: Final = 500
BATCHES: Final = 4

# Half have ordered once; amounts are log-normal, silence falls off exponentially.
FILL: Final = """
    INSERT INTO standings (profile_id, tier, stage, orders, spend_minor, revenue_minor, last_order_at, rhythm_days,
                           rhythm_pauses, evaluated_at, values_at)
    SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), 'bronze', 'active', orders, spend,
           CASE WHEN silence < 365 THEN spend ELSE 0 END, CAST(:now AS timestamptz) - silence * interval '1 day',
           CASE WHEN orders > 1 THEN 1 + floor(random() * 200) ELSE 0 END, orders - 1, :now, :now
      FROM (SELECT n, 1 + floor(-ln(1 - random()) * 1.45) AS orders,
                   floor(exp(random_normal(8.5, 1.2))) AS spend, -ln(1 - random()) * 250 AS silence
              FROM generate_series(1, :customers) AS n) made
"""
COUNTS: Final = """
    CREATE TABLE value_counts AS
    SELECT kind, value, count(*) AS customers
      FROM standings
           CROSS JOIN LATERAL (VALUES (1, CAST(orders AS bigint)), (2, spend_minor), (3, revenue_minor),
                                      (4, CAST(extract(epoch FROM date_trunc('hour', last_order_at)) AS bigint)))
           AS v(kind, value)
     GROUP BY kind, value
"""
KEEP: Final = """
      WITH changed AS (
           SELECT orders, spend_minor, revenue_minor, last_order_at
             FROM standings
            WHERE profile_id = ANY(CAST(:ids AS uuid[]))
           ),
           deltas AS (
           SELECT kind, value, sum(delta) AS delta
             FROM changed
                  CROSS JOIN LATERAL (
                  VALUES (1, CAST(orders AS bigint), -1), (1, orders + 1, 1), (2, spend_minor, -1),
                         (2, spend_minor + 1234, 1), (3, revenue_minor, -1), (3, revenue_minor + 1234, 1),
                         (4, CAST(extract(epoch FROM date_trunc('hour', last_order_at)) AS bigint), -1),
                         (4, CAST(extract(epoch FROM date_trunc('hour', CAST(:now AS timestamptz))) AS bigint), 1)
                  ) AS v(kind, value, delta)
            GROUP BY kind, value
           )
    INSERT INTO value_counts AS c (kind, value, customers)
    SELECT kind, value, delta FROM deltas ORDER BY kind, value
        ON CONFLICT (kind, value) DO UPDATE SET customers = c.customers + excluded.customers
"""
ORDER: Final = """
    UPDATE standings
       SET orders = orders + 1, spend_minor = spend_minor + 1234, revenue_minor = revenue_minor + 1234,
           last_order_at = :now
     WHERE profile_id = ANY(CAST(:ids AS uuid[]))
"""


async def cpu(work: Work, step: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Returns the seconds of a step: of PostgreSQL's backend, and of this process."""
    row = await work.row("SELECT pg_backend_pid() AS pid")
    assert row is not None
    before, own = _ticks(row.pid), time.process_time()
    await step()
    return (_ticks(row.pid) - before) / TICKS_A_SECOND, time.process_time() - own


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def measure(database: Database, customers: int, now: datetime) -> Sequence[tuple[str, float, float, int]]:
    """Returns what was done, the seconds of PostgreSQL and of Python, and for how many customers."""
    found: list[tuple[str, float, float, int]] = []
    async with database.work() as work:
        await policies.publish(work)
        await work.run(FILL, now=now, customers=customers)
    async with database.work() as work:
        await work.run("ANALYZE standings")
        base = await repository.base(work, now)  # what was just written is looked at once before it is measured
        found.append(("count the base", *await cpu(work, lambda: repository.base(work, now)), customers))
        began = time.process_time()
        domain.take(base, None, now, first=None, currency="USD")
        found.append(("its cut points", 0, time.process_time() - began, customers))
    ids = [f"{number:032x}" for number in range(1, customers + 1, max(1, customers // (BATCH * BATCHES)))]
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    for turn, label in enumerate(("score all for the first time", "score all an hour later, with new orders")):
        at = now + timedelta(hours=turn)
        async with database.work() as work:
            assert await scores.take(work, at)
        spent = [0.0, 0.0]
        while True:
            async with database.work() as work:
                claimed = await repository.claim_application(work)
                if claimed is None:
                    break
                seconds = await cpu(work, lambda w=work, t=at: scores.apply(w, t))  # type: ignore[misc]
                spent = [one + more for one, more in zip(spent, seconds, strict=True)]
        found.append((label, spent[0], spent[1], customers))
        if turn == 0:
            found.append(await _keep(database, batches, now))
    return found


async def _keep(database: Database, batches: Sequence[Sequence[str]], now: datetime) -> tuple[str, float, float, int]:
    """Takes in a batch's orders as the fold would, with counts beside; what the counts cost."""
    async with database.work() as work:
        await work.run(COUNTS)
        await work.run("ALTER TABLE value_counts ADD PRIMARY KEY (kind, value)")
    spent = [0.0, 0.0]
    for ids in batches:
        async with database.work() as work:
            seconds = await cpu(work, lambda w=work, b=ids: w.run(KEEP, ids=b, now=now))  # type: ignore[misc]
            spent = [one + more for one, more in zip(spent, seconds, strict=True)]
            await work.run(ORDER, ids=ids, now=now)
    return "keep counts while they order", spent[0], spent[1], sum(map(len, batches))


async def run(customers: int) -> None:
    """Starts a PostgreSQL, measures, and prints."""
    home = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    server = Postgres(home, free_port(), durable=False)
    try:
        await server.start()
        url = await server.create_database("bench_scores", "rapport_segment")
        await migrate.upgrade("segment", url)
        database = Database(url, application="bench", clock=SystemClock())
        found = await measure(database, customers, SystemClock().now())
        await database.close()
    finally:
        await server.stop()
        remove_data(home)
    table = Table("", "customers", "PostgreSQL, ms", "Python, ms", "µs a customer")
    for label, backend, python, of in found:
        per = 1e6 * (backend + python) / of
        table.add_row(label, f"{of:,}", f"{1000 * backend:,.0f}", f"{1000 * python:,.0f}", f"{per:.2f}")
    Console().print(table)


def main() -> int:
    """Runs the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scores", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    asyncio.run(run(parser.parse_args().customers))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
