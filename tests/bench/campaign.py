"""`make bench-campaign`: runs of journeys moved by time, and broadcasts made into messages, on a PostgreSQL of its own.

Runs stand at a wait and are all due. *Claimed*: taken as the walker takes them, and given up again. *Steps*: moved by
the walker's own transaction, from the wait over a branch to the next wait, with what each did written down. A
broadcast is made ready page by page, as the broadcaster does, and beside it the same rows are written by one COPY into
the same table with the same indexes. Rounds alternate; medians are printed. One process.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from deploy.local.placement import remove_data
from deploy.local.postgres import Postgres
from deploy.local.process import free_port
from services.campaign import content
from services.campaign.domain.broadcast import BroadcastState
from services.campaign.repository import runs as rows
from services.campaign.service import broadcasts, journeys, running
from shared.database import migrate
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.support.actors import OPERATOR

ROUNDS: Final = 5
SECRET: Final = b"bench"
JOURNEY: Final[dict[str, Any]] = {
    "name": {"en": "Bench", "zh": "基准"},
    "trigger": {"type": "called"},
    "start": "wait",
    "nodes": {
        "wait": {"type": "wait", "time": "P1D", "next": "branch"},
        "branch": {
            "type": "branch",
            "when": {"type": "stage", "stages": ["loyal"]},
            "then": "wait",
            "otherwise": "wait-again",
        },
        "wait-again": {"type": "wait", "time": "P7D"},
    },
}
STEPS_A_RUN: Final = 3  # the wait is left, the branch is left, the next wait begins
RUNS: Final = """
    INSERT INTO runs (id, journey_id, version, profile_id, entry_key, trigger_id, triggered_at, entered_at, state,
                      node, visit, data, waiting_since, due_at, cause_id, cause_occurred_at, cause_received_at,
                      by_time, depth)
    SELECT gen_random_uuid(), 'bench', 1, gen_random_uuid(), CAST(n AS text), CAST(n AS text), at, at, 'active',
           'wait', 1, '{"event": {}}', at, at - n * interval '1 millisecond', gen_random_uuid(), at, at, false, 0
      FROM generate_series(1, :runs) AS n, (SELECT CAST(:now AS timestamptz) AS at) AS moment
"""
MEMBERS: Final = """
    INSERT INTO memberships (segment_id, profile_id, version, segment_version, member)
    SELECT 'bench', gen_random_uuid(), 1, 1, true FROM generate_series(1, :members) AS n
"""


class _GivenUp(Exception):
    """Rolls back what was claimed."""


async def seconds_of(step: Callable[[], Awaitable[object]]) -> float:
    """Returns how long a step takes, in seconds."""
    began = time.perf_counter()
    await step()
    return time.perf_counter() - began


async def claim_all(database: Database, count: int) -> None:
    """Claims so many due runs, and gives them up."""
    try:
        async with database.work() as work:
            claimed = 0
            while claimed < count:
                claimed += len(await rows.claim_due(work, work.now, limit=count))
            raise _GivenUp
    except _GivenUp:
        return


async def move_all(database: Database) -> None:
    """Moves all due runs."""
    while True:
        async with database.work() as work:
            if not await running.move_due(work, until=work.now, partition_secret=SECRET):
                return


async def fan_out(database: Database, name: str) -> None:
    """Makes a broadcast's messages, as fast as the broadcaster may: its sender is quicker than it."""
    while True:
        async with database.work() as work:
            more = await broadcasts.step(work)
            await work.run("UPDATE messages SET state = 'sent' WHERE state = 'pending' AND journey_id = :id", id=name)
        if not more:
            return


async def copy(database: Database, name: str) -> None:
    """Writes as many rows into the table of messages by COPY."""
    async with database.work() as work:
        found = await work.rows(
            """
            SELECT gen_random_uuid(), journey_id, journey_version, profile_id, CAST(gen_random_uuid() AS text), reached,
                   state, due_at, created_at, cause_occurred_at, cause_received_at, by_time, depth
              FROM messages
             WHERE journey_id = :id
            """,
            id=name,
        )
        columns = (
            *("id", "journey_id", "journey_version", "profile_id", "trigger_id", "reached", "state", "due_at"),
            *("created_at", "cause_occurred_at", "cause_received_at", "by_time", "depth"),
        )
        raw = await work.connection.get_raw_connection()
        driver: Any = raw.driver_connection
        began = time.perf_counter()
        await driver.copy_records_to_table("messages", records=[tuple(row) for row in found], columns=columns)
        COPIED.append(len(found) / (time.perf_counter() - began))


COPIED: Final[list[float]] = []


async def measure(database: Database, runs: int, members: int) -> dict[str, list[float]]:
    """Returns by measure its rate in each round."""
    found: dict[str, list[float]] = {"due runs claimed": [], "steps of runs": [], "broadcast": [], "COPY": COPIED}
    async with database.work() as work:
        await journeys.create(work, "bench", JOURNEY, content.known(), by=OPERATOR)
        await journeys.publish(work, "bench", content.known(), revision=1, move="stay", by=OPERATOR)
        await work.run(MEMBERS, members=members)
    for turn in range(ROUNDS):
        async with database.work() as work:
            await work.run("TRUNCATE runs, run_steps")
            await work.run(RUNS, runs=runs, now=work.now)
        async with database.work() as work:
            await work.run("ANALYZE runs")
        found["due runs claimed"].append(runs / await seconds_of(lambda: claim_all(database, runs)))
        found["steps of runs"].append(STEPS_A_RUN * runs / await seconds_of(lambda: move_all(database)))
        name = f"bench-{turn}"
        async with database.work() as work:
            definition = {"name": {"en": name, "zh": name}, "segment": "bench", "template": "win-back"}
            await broadcasts.create(work, name, definition, content.known(), by=OPERATOR)
            await broadcasts.move(work, name, BroadcastState.SCHEDULED, revision=1, by=OPERATOR)
        found["broadcast"].append(members / await seconds_of(lambda n=name: fan_out(database, n)))  # type: ignore[misc]
        await copy(database, name)
        async with database.work() as work:
            await work.run("TRUNCATE messages, broadcast_audience")
    return found


async def run(runs: int, members: int) -> None:
    """Starts a PostgreSQL, measures, and prints."""
    home = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    server = Postgres(home, free_port(), durable=False)
    try:
        await server.start()
        url = await server.create_database("bench_campaign", "rapport_campaign")
        await migrate.upgrade("campaign", url)
        database = Database(url, application="bench", clock=SystemClock())
        found = await measure(database, runs, members)
        await database.close()
    finally:
        await server.stop()
        remove_data(home)
    targets = {"due runs claimed": "50,000", "steps of runs": "10,000"}
    table = Table("", "a second, median", "least", "most", "target")
    for label, rates in found.items():
        middle = f"{statistics.median(rates):,.0f}"
        table.add_row(label, middle, f"{min(rates):,.0f}", f"{max(rates):,.0f}", targets.get(label, ""))
    Console().print(table)
    ratio = statistics.median(found["broadcast"]) / statistics.median(found["COPY"])
    Console().print(f"broadcast ÷ COPY: {ratio:.2f}")


def main() -> int:
    """Runs the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--members", type=int, default=50_000)
    chosen = parser.parse_args()
    asyncio.run(run(chosen.runs, chosen.members))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
