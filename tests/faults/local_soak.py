"""`make soak-local`: the local stack under load for a while, with each of its processes killed in turn by SIGKILL."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local.settings import Ports
from deploy.local.stack import Stack
from tests.faults.ledger import Ledger
from tests.faults.load import Batch, Clients, endless
from tests.faults.local import DRILLS, LocalWorld
from tests.faults.run import Report, judge
from tests.faults.soak import FIGURES, GROWTH, WARM_UP, WINDOW
from tests.support.figures import keep

SAMPLE_SECONDS: Final = 5.0
SETTLED_SECONDS: Final = 20.0  # after its start a process has filled what it keeps in memory
REST_SECONDS: Final = 300.0
SENDERS: Final = 8
SERVICES: Final = ("ingest", "profile", "segment", "campaign", "feedback")


class Pace:
    """So many events a second, whatever a call takes; what an outage held up is caught up with afterwards."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._begun = asyncio.get_running_loop().time()
        self.events = 0

    def count(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """These batches, each counted as it is taken."""
        for batch in batches:
            self.events += len(batch)
            yield batch

    def pause_seconds(self) -> float:
        """How long who has sent a batch may rest."""
        return max(0.0, self._begun + self.events / self._per_second - asyncio.get_running_loop().time())


class Memory:
    """Resident memory of each part's process in MiB, by seconds since the start, and how old that process was."""

    def __init__(self) -> None:
        self.samples: dict[str, list[tuple[float, float]]] = {}
        self._since: dict[str, tuple[int, float]] = {}

    def look(self, world: LocalWorld, seconds: float) -> None:
        """Takes a sample of every process that is not new."""
        pids = {part.name.removeprefix("the service "): part.children() for part in world.stack.parts()}
        for name, mebibytes in world.memory().items():
            pid = pids[name][0].pid if pids[name] else 0
            known, since = self._since.get(name, (0, seconds))
            if pid != known:
                self._since[name] = pid, seconds
            elif seconds - since >= SETTLED_SECONDS:
                self.samples.setdefault(name, []).append((round(seconds, 1), round(mebibytes, 1)))

    def growth(self, seconds: float) -> dict[str, tuple[float, float]]:
        """By part: MiB after warm-up and at the end, as medians; of those that were old enough in both stretches."""
        found = {}
        for name, samples in self.samples.items():
            first = [value for at, value in samples if WARM_UP * seconds <= at < (WARM_UP + WINDOW) * seconds]
            last = [value for at, value in samples if at >= (1 - WINDOW) * seconds]
            if first and last:
                found[name] = (median(first), median(last))
        return found


async def soak_local(
    folder: Path, console: Console, *, minutes: float, every_seconds: float, per_second: float, seed: int
) -> int:
    """Runs it, prints its figures and keeps them; 1 if a promise was broken or a service's memory grew."""
    ledger, report, memory = Ledger(folder / "ledger.jsonl"), Report(seed=seed, nodes=1), Memory()
    stack = Stack(
        folder / "stack", Ports.free(), extra_env=DRILLS, report=lambda line: ledger.note("supervisor", line=line)
    )
    now = asyncio.get_running_loop().time
    begun = now()
    async with stack:
        world = LocalWorld(stack, ledger)
        clients = Clients(stack.url("ingest"), stack.write_key, ledger, seed)
        try:
            async with world.supervised():
                await _killed_under_load(
                    world, clients, memory, console, seed, minutes=minutes, every=every_seconds, per_second=per_second
                )
                with console.status("Coming to rest"):
                    rest = now()
                    await world.until_idle(deadline_seconds=REST_SECONDS)
                    rest = now() - rest
                    await judge(world, ledger, report)
                kept = await _kept(world)
        finally:
            await clients.close()
        report.seconds, report.answers = now() - begun, dict(sorted(clients.answers.items()))
    figures = {"rest_seconds": round(rest, 1), "kills": dict(world.kills), "left_in_tables_bytes": kept}
    return _verdict(report, memory.growth(minutes * 60), figures, console, every=every_seconds, per_second=per_second)


async def _killed_under_load(
    world: LocalWorld,
    clients: Clients,
    memory: Memory,
    console: Console,
    seed: int,
    *,
    minutes: float,
    every: float,
    per_second: float,
) -> None:
    done, now, pace = asyncio.Event(), asyncio.get_running_loop().time, Pace(per_second)
    begun, random = now(), Random(seed)

    async def watch() -> None:
        while not done.is_set():
            memory.look(world, now() - begun)
            await asyncio.sleep(SAMPLE_SECONDS)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        kills = max(1, int(minutes * 60 / every))
        task = bar.add_task("Kills", total=kills)
        async with asyncio.TaskGroup() as tasks:
            batches = pace.count(endless(seed, done))
            tasks.create_task(clients.send_all(batches, pause=pace.pause_seconds, senders=SENDERS))
            tasks.create_task(watch())
            turn: list[int] = []
            for number in range(kills):
                turn = turn or random.sample(range(len(world.stack.parts())), len(world.stack.parts()))
                await asyncio.sleep(max(0.0, begun + every * (number + 0.5) - now()))
                await world.kill(world.stack.parts()[turn.pop()])
                bar.advance(task)
            await asyncio.sleep(max(0.0, begun + minutes * 60 - now()))
            done.set()


async def _kept(world: LocalWorld) -> dict[str, int]:
    """What the tables of records on their way take on disk at rest, by service."""
    found = {}
    for name in SERVICES:
        async with world.database(name) as connection:
            found[name] = int(
                await connection.fetchval(
                    "SELECT pg_total_relation_size('outbox') + pg_total_relation_size('published')"
                )
            )
    return found


def _verdict(
    report: Report,
    growth: dict[str, tuple[float, float]],
    figures: dict[str, Any],
    console: Console,
    *,
    every: float,
    per_second: float,
) -> int:
    table = Table(title=f"{report.seconds / 60:.0f} minutes, a kill every {every:g} s, {per_second:g} events/s")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in (
        ("kills", f"{sum(figures['kills'].values())}: " + ", ".join(f"{k} {n}" for k, n in figures["kills"].items())),
        ("events acknowledged", f"{report.acknowledged:,}"),
        ("events of unknown fate", f"{report.unknown:,}"),
        ("calls by answer (0: none came)", ", ".join(f"{status}: {n:,}" for status, n in report.answers.items())),
        ("send intents / messages at the provider", f"{report.intents:,} / {report.handed:,}"),
        ("unknown sends / sending at kills", f"{report.unknown_sends} / {report.sending_at_kills}"),
        ("from the last event to rest", f"{figures['rest_seconds']} s"),
        ("rules broken", str(len(report.broken))),
        *((f"memory of {name}, MiB", f"{first:.0f} → {last:.0f}") for name, (first, last) in sorted(growth.items())),
    ):
        table.add_row(name, value)
    console.print(table)
    for broken in report.broken:
        console.print(f"  [bold]{broken.rule}[/bold]: {broken.what}")
    plain = {name: value for name, value in asdict(report).items() if name not in ("struck", "broken", "nodes")}
    memory = {name: {"after_warm_up": first, "at_the_end": last} for name, (first, last) in growth.items()}
    broken_rules = [list(one) for one in report.broken]
    measured = {**plain, **figures, "seconds": round(report.seconds), "every_seconds": every}
    measured |= {"events_per_second": per_second, "memory_mebibytes": memory, "broken": broken_rules}
    keep(FIGURES, {"local": measured})
    grew = [name for name, (first, last) in growth.items() if name in SERVICES and last > first * (1 + GROWTH)]
    if grew:
        console.print(f"memory grew by more than {GROWTH:.0%}: {', '.join(grew)}")
    return 1 if report.broken or grew else 0
