"""`make bench-ingest`: how much of what the broker's client can do arrives through HTTP, checked and understood.

In one run, interleaved: aiokafka's own `send` of records that are ready (the limit), bare Starlette with the same
decoding and publishing, the same with nothing understood, and ingest with keys, tracking plan (warn) and quarantine
on, at 100, 20 and 1 events a request, and at 100 of customers whom it never met. Then, in as many rounds, latency at
half of the rate reached in this run; memory: per connection, and over many events; and the rates of two processes and
of one whose broker is away.
"""

import argparse
import asyncio
import base64
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import httpx2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deploy.local.broker import EmbeddedBroker
from deploy.local.kafka import ApacheKafka
from deploy.local.process import LOOPBACK, Child, StackError, free_port, run_to_end, together
from deploy.local.settings import CHECKOUT, BrokerKind, Ports
from deploy.local.stack import Stack
from tests.bench import bench
from tests.bench.bench import Load
from tests.bench.events import PLAN, templates
from tests.support.figures import keep

CONNECTIONS: Final = 32
SIZES: Final = (100, 20, 1)  # events a request
PACED_CONNECTIONS: Final = 64
PACED_SECONDS: Final = 10.0  # of fewer requests a single pause of the machine would be the p99
IDLE_CONNECTIONS: Final = 1_000
FIGURES: Final = CHECKOUT / "docs" / "performance-ingest.json"


@dataclass(frozen=True)
class Paced:
    """One round at half load."""

    requests_per_second: int
    of_the_rate_reached: float
    p50_ms: float
    p99_ms: float


@dataclass
class Figures:
    """All rounds of one broker: events a second by what was measured, latency at half load, and all else once."""

    broker: str
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    paced: dict[str, list[Paced]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    failed: int = 0

    def note(self, name: str, rate: float) -> None:
        """One round's rate."""
        self.rates.setdefault(name, []).append(rate)

    def median(self, name: str) -> float:
        """The middle of all rounds."""
        return median(self.rates[name])

    def ratio(self, name: str, to: str) -> float:
        """The median of the ratios round by round, so that a machine's drift cancels out."""
        return median(one / other for one, other in zip(self.rates[name], self.rates[to], strict=True))


class Run:
    """One broker, and all that is measured on it."""

    def __init__(self, stack: Stack, figures: Figures, *, seconds: float) -> None:
        self._stack = stack
        self._figures = figures
        self._seconds = seconds
        self._runs = 0
        self._ours: list[Child] = []
        self._urls: list[str] = []
        self._bodies = {size: _written(stack.home / f"bodies-{size}", templates(size)) for size in SIZES}
        self._strangers = _written(stack.home / "bodies-strangers", templates(100, strangers=True))
        key = base64.b64encode(f"{stack.write_key}:".encode()).decode()
        self._authorization = f"Basic {key}"

    async def start(self) -> None:
        """Starts ingest, with its plan."""
        await self._start_ours()
        async with httpx2.AsyncClient(base_url=self._urls[0], trust_env=False) as client:
            headers = {"Authorization": f"Bearer {self._stack.admin_token}"}
            sources = (await client.get("/v1/sources", headers=headers)).raise_for_status().json()["sources"]
            path = f"/v1/sources/{sources[0]['id']}/plan"
            (await client.put(path, headers=headers, json=PLAN)).raise_for_status()

    async def stop(self) -> None:
        """Ends what `start` started."""
        await together(*[child.kill() for child in self._ours])

    async def _start_ours(self, **more: str) -> None:
        port = free_port()
        own = {"HTTP_PORT": str(port), "LOG_LEVEL": "WARNING", "HTTP_CONNECTIONS_PER_ADDRESS": str(IDLE_CONNECTIONS)}
        env = {**self._stack.environment("ingest"), **own, **more}
        command = [sys.executable, "-m", "services.ingest", "serve", "--role", "api"]
        log = self._stack.home / "logs" / f"ingest-{len(self._ours)}.log"
        child = await bench.spawn("ingest", command, log=log, env=env, cwd=CHECKOUT)
        self._ours.append(child)
        self._urls.append(f"http://{LOOPBACK}:{port}")
        await bench.until_answers(self._urls[-1], child)

    async def _load(
        self,
        url: str,
        size: int,
        *,
        path: str = "/v1/batch",
        bodies: Path | None = None,
        connections: int = CONNECTIONS,
        pause_ms: float = 0,
        seconds: float | None = None,
    ) -> Load:
        self._runs += 1
        load = await bench.wrk(
            f"{url}{path}",
            bodies or self._bodies[size],
            self._authorization,
            run=self._runs,
            seconds=seconds or self._seconds,
            connections=connections,
            pause_ms=pause_ms,
        )
        self._figures.failed += load.failed
        return load

    async def round(self) -> None:
        """One of everything, one after the other."""
        self._figures.note("aiokafka send", await self._raw())
        await self._bare()
        for size in SIZES:
            self._figures.note(f"ingest, {size} events", await self._rate(size))
        strangers = await self._load(self._urls[0], 100, bodies=self._strangers)
        self._figures.note("ingest, 100 events, every customer new", strangers.rate * 100)

    async def _raw(self) -> float:
        said = await run_to_end(
            "aiokafka send",
            bench.on_measured_core(
                [sys.executable, "-m", "tests.bench.raw_send", self._stack.broker.bootstrap, str(self._seconds)]
            ),
            log=self._stack.home / "logs" / "raw.log",
            deadline_seconds=bench.RUN_SECONDS,
            cwd=CHECKOUT,
        )
        return float(said)

    async def _bare(self) -> None:
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.bare", self._stack.broker.bootstrap, str(port)]
        log = self._stack.home / "logs" / "bare.log"
        child = await bench.spawn("bare Starlette", command, log=log, env={}, cwd=CHECKOUT)
        try:
            url = f"http://{LOOPBACK}:{port}"
            await bench.until_answers(url, child)
            await self._load(url, 100)  # warm, as ingest is by then
            self._figures.note("bare Starlette, 100 events", (await self._load(url, 100)).rate * 100)
            raw = await self._load(url, 100, path="/v1/raw")
            self._figures.note("bare Starlette, nothing understood, 100 events", raw.rate * 100)
        finally:
            await child.kill()

    async def _rate(self, size: int) -> float:
        before = bench.cpu_seconds(self._ours[0])
        load = await self._load(self._urls[0], size)
        used = (bench.cpu_seconds(self._ours[0]) - before) / load.seconds
        self._figures.cpu.setdefault(f"{size} events", []).append(round(used, 2))
        return load.rate * size

    async def half_load(self, size: int) -> None:
        """Latency at half of the rate that this run reached."""
        wanted = self._figures.median(f"ingest, {size} events") / size / 2
        pause_ms = PACED_CONNECTIONS / wanted * 1000
        load = await self._load(
            self._urls[0], size, connections=PACED_CONNECTIONS, pause_ms=pause_ms, seconds=PACED_SECONDS
        )
        paced = Paced(
            requests_per_second=round(load.rate),
            of_the_rate_reached=round(load.rate / wanted / 2, 2),
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
        )
        self._figures.paced.setdefault(f"{size} events", []).append(paced)

    async def two_processes(self) -> None:
        """Both at once, a load for each; on two cores they share one."""
        loads = await asyncio.gather(*(self._load(url, 100) for url in self._urls))
        self._figures.note("two processes, 100 events", sum(load.rate for load in loads) * 100)

    async def spool(self) -> None:
        """Without a broker: everything goes to PostgreSQL, which here does not wait for its disk."""
        await self._start_ours(KAFKA_BOOTSTRAP=f"{LOOPBACK}:1", SPOOL_MEGABYTES="4096")
        await self._load(self._urls[-1], 100)  # the first requests open the breaker
        self._figures.note("into the spool, 100 events", (await self._load(self._urls[-1], 100)).rate * 100)

    async def memory(self, events: int) -> None:
        """Per idle connection of a process that did nothing yet, and of a warm one before and after so many events."""
        kept = self._figures.memory
        await self._start_ours()
        child, url = self._ours[-1], httpx2.URL(self._urls[-1])
        before = bench.memory_mebibytes(child)
        held = [await asyncio.open_connection(LOOPBACK, url.port) for _ in range(IDLE_CONNECTIONS)]
        request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        for reader, writer in held:
            writer.write(request)
            await reader.readuntil(b"}")
        kept["kibibytes_per_connection"] = round((bench.memory_mebibytes(child) - before) * 1024 / IDLE_CONNECTIONS, 1)
        for _, writer in held:
            writer.close()
        child = self._ours[0]
        kept["mebibytes_before"] = round(bench.memory_mebibytes(child), 1)
        sent = 0.0
        while sent < events:
            load = await self._load(self._urls[0], 100)
            sent += load.requests * 100
        kept["events_between"] = sent
        kept["mebibytes_after"] = round(bench.memory_mebibytes(child), 1)


def _written(path: Path, bodies: list[str]) -> Path:
    path.write_text("".join(f"{one}\n" for one in bodies))
    return path


async def measure(broker: BrokerKind, console: Console, *, rounds: int, seconds: float, events: int) -> Figures:
    """All that is measured on one broker."""
    figures = Figures(broker)
    home = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    ports = Ports.free()
    server = ApacheKafka(home, ports.kafka) if broker == "apache" else EmbeddedBroker(home, ports.kafka)
    async with Stack(home, ports, broker=server, services=(), durable=False) as stack:
        run = Run(stack, figures, seconds=seconds)
        try:
            await run.start()
            for _ in track(range(rounds), description=f"{broker}, rounds", console=console):
                await run.round()
            for _ in track(range(rounds), description=f"{broker}, half load", console=console):
                for size in SIZES:
                    await run.half_load(size)
            await run.memory(events)
            await run.two_processes()
            await run.spool()
        finally:
            await run.stop()
    return figures


def show(figures: Figures, console: Console, placement: str) -> None:
    """Prints one broker's figures."""
    table = Table(title=f"ingest on {figures.broker}; {placement}")
    for column in ("measured", "events/s", "÷ aiokafka send", "÷ bare Starlette", "all rounds"):
        table.add_column(column, justify="left" if column == "measured" else "right")
    for name, rates in figures.rates.items():
        whole = len(rates) == len(figures.rates["aiokafka send"])
        ratios = [
            f"{figures.ratio(name, to):.2f}" if whole else "" for to in ("aiokafka send", "bare Starlette, 100 events")
        ]
        table.add_row(name, f"{median(rates):,.0f}", *ratios, " ".join(f"{rate / 1000:.1f}k" for rate in rates))
    console.print(table)
    half = Table(title="at half load")
    for column in ("request", "requests/s", "of the rate reached", "p50, ms", "p99, ms", "p99 of all rounds, ms"):
        half.add_column(column, justify="left" if column == "request" else "right")
    for name, said in figures.paced.items():
        half.add_row(
            name,
            f"{median(one.requests_per_second for one in said):,.0f}",
            f"{median(one.of_the_rate_reached for one in said):.0%}",
            f"{median(one.p50_ms for one in said):.1f}",
            f"{median(one.p99_ms for one in said):.1f}",
            " ".join(f"{one.p99_ms:.1f}" for one in said),
        )
    console.print(half)
    console.print(f"  memory: {figures.memory}; core used by ingest: {figures.cpu}; failed requests: {figures.failed}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest")
    parser.add_argument("--broker", choices=["apache", "embedded", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--events", type=int, default=1_000_000, help="over which memory is watched")
    parser.add_argument("--keep", action="store_true", help=f"write {FIGURES.relative_to(CHECKOUT)}")
    said = parser.parse_args()
    console = Console(width=150)
    try:
        bench.require("wrk", "taskset")
        placement = bench.give_up_core()
        brokers: list[BrokerKind] = ["apache", "embedded"] if said.broker == "both" else [said.broker]
        measured: dict[str, Figures] = {}
        for broker in brokers:
            # The embedded broker keeps everything in memory.
            seconds = said.seconds if broker == "apache" else min(said.seconds, 2.0)
            found = asyncio.run(measure(broker, console, rounds=said.rounds, seconds=seconds, events=said.events))
            show(found, console, placement)
            measured[broker] = found
    except StackError as error:
        print(f"rapport: {error}", file=sys.stderr)
        return 1
    if said.keep:
        keep(FIGURES, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
