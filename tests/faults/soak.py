"""The soak: an hour of load on three brokers while every service is restarted again and again.

Of each service one process stays for the whole hour, and its memory is watched; a second one is restarted. So each
restart makes the first one's partitions go and come back, which is where a leak would be.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local.process import LOOPBACK, free_port
from shared.service.clock import SystemClock
from tests.faults.chart import draw
from tests.faults.ledger import Ledger
from tests.faults.load import Clients, endless
from tests.faults.rolling import Roller
from tests.faults.run import REST_SECONDS, Report, judge, rebuild_all
from tests.faults.world import World
from tests.support.figures import keep

SAMPLE_SECONDS: Final = 10.0
WARM_UP: Final = 0.3  # of the time: caches fill, pools open
WINDOW: Final = 0.15  # of the time, at each end of what is compared
GROWTH: Final = 0.05
BATCH_PAUSE_SECONDS: Final = 1.2
ASK_PAUSE_SECONDS: Final = 0.5
DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
FIGURES: Final = DOCS / "reliability.json"
CHART: Final = DOCS / "images" / "soak-memory.svg"


@dataclass
class Memory:
    """Resident memory of every process that stays, in MiB, by seconds since the start."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def look(self, world: World, seconds: float) -> None:
        """Takes one sample."""
        pids = {key: one.child.pid for key, one in world.instances.items() if key.endswith("-stays")}
        pids |= {f"kafka-{node}": world.kafka.child(node).pid for node in world.kafka.nodes}
        for key, pid in pids.items():
            self.samples[key].append((round(seconds, 1), _resident_mebibytes(pid)))

    def growth(self, seconds: float) -> dict[str, tuple[float, float, float]]:
        """By process: MiB after warm-up, MiB at the end, and the ratio of the second to the first less one."""
        found: dict[str, tuple[float, float, float]] = {}
        first_stretch, last_stretch = compared(seconds)
        for key, samples in self.samples.items():
            first = median(mebibytes for at, mebibytes in samples if first_stretch[0] <= at < first_stretch[1])
            last = median(mebibytes for at, mebibytes in samples if at >= last_stretch[0])
            found[key] = (round(first, 1), round(last, 1), round(last / first - 1, 4))
        return found


def compared(seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The two stretches of a soak whose memory is compared, in seconds: after warm-up, and the last."""
    warm, width = WARM_UP * seconds, WINDOW * seconds
    return (warm, warm + width), (seconds - width, seconds)


async def soak(folder: Path, console: Console, *, minutes: float, restarts: int, nodes: int) -> int:
    """Runs it, prints its figures and keeps them; 1 if a promise was broken, an answer was wrong, or memory grew."""
    ledger = Ledger(folder / "ledger.jsonl")
    async with World(folder / "world", nodes=nodes) as world:
        for name in ("profile", "segment", "campaign", "feedback", "tally"):
            await world.launch(name, port=free_port(), key=f"{name}-stays")
        roller, memory, report = Roller(world, ledger), Memory(), Report(seed=1, nodes=nodes)
        await roller.start(ASK_PAUSE_SECONDS)
        clients = Clients(f"http://{LOOPBACK}:{roller.fronts['ingest'].port}", world.stack.write_key, ledger, 1)
        begun = SystemClock().now()
        try:
            async with roller.asked():
                await _restart_under_load(world, roller, memory, clients, console, minutes=minutes, restarts=restarts)
        finally:
            await roller.stop()
            await clients.close()
        report.seconds = (SystemClock().now() - begun).total_seconds()
        await world.until_idle(deadline_seconds=REST_SECONDS)
        await rebuild_all(world, ledger)
        await judge(world, ledger, report)
    return _verdict(report, roller, memory.growth(report.seconds), memory, console)


async def _restart_under_load(
    world: World,
    roller: Roller,
    memory: Memory,
    clients: Clients,
    console: Console,
    *,
    minutes: float,
    restarts: int,
) -> None:
    done, now = asyncio.Event(), asyncio.get_running_loop().time
    begun, names = now(), list(roller.fronts)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Rolling restarts", total=restarts * len(names))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(clients.send_all(endless(1, done), pause=lambda: BATCH_PAUSE_SECONDS))
            tasks.create_task(_watch(world, memory, done))
            for number in range(restarts * len(names)):
                # Spread over the whole time, whatever one restart takes.
                await asyncio.sleep(max(0.0, begun + minutes * 60 * number / (restarts * len(names)) - now()))
                await roller.roll(names[number % len(names)])
                bar.advance(task)
            await asyncio.sleep(max(0.0, begun + minutes * 60 - now()))
            done.set()


async def _watch(world: World, memory: Memory, done: asyncio.Event) -> None:
    now = asyncio.get_running_loop().time
    begun = now()
    while not done.is_set():
        memory.look(world, now() - begun)
        await asyncio.sleep(SAMPLE_SECONDS)


def _verdict(
    report: Report,
    roller: Roller,
    growth: dict[str, tuple[float, float, float]],
    memory: Memory,
    console: Console,
) -> int:
    table = Table(title=f"{report.seconds / 60:.0f} minutes, {report.nodes} brokers")
    for column in ("process", "MiB after warm-up", "MiB at the end", "growth"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for key, (first, last, ratio) in growth.items():
        table.add_row(key, f"{first:.1f}", f"{last:.1f}", f"{ratio:+.1%}")
    console.print(table)
    heard = {f"{name} {status}": count for (name, status), count in sorted(roller.heard.items())}
    console.print(f"restarts {dict(roller.restarts)}; answers {heard}; errors {roller.errors[:5]}")
    console.print(f"{report.acknowledged:,} events, {report.intents:,} intents; broken: {report.broken}")
    figures = {
        **report.plain(),
        "restarts": dict(roller.restarts),
        "answers": heard,
        "errors": roller.errors[:20],
        "memory_mebibytes": {
            key: {"after_warm_up": first, "at_the_end": last, "growth": ratio}
            for key, (first, last, ratio) in growth.items()
        },
    }
    keep(FIGURES, {"soak": figures})
    draw(memory.samples, compared(report.seconds), CHART)
    services = [ratio for key, (_, _, ratio) in growth.items() if not key.startswith("kafka")]
    good = not report.broken and not roller.errors and not roller.wrong and max(services) < GROWTH
    return 0 if good else 1


def _resident_mebibytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
