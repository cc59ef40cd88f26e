"""`make bench-idle`: what a stack with nothing to do costs, and how long from accepting an event to its message.

`--beside CHECKOUT` starts the stack of another checkout at the same time and sends both the same, in turns: latencies
of one run are compared with each other only. CPU time is what /proc says of each process; PostgreSQL's backends are
counted together.
"""

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.table import Table

from deploy.local.settings import CHECKOUT, SERVICES, Ports
from shared.service.clock import SystemClock
from shared.service.loops import IDLE_SECONDS

READY_SECONDS: Final = 180.0
STOP_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 15.0  # for what was sent to arrive
QUIET_SECONDS: Final = 60.0  # without events, before it counts as idle: loops look less often once they have been
LOOK_SECONDS: Final = 0.5
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A stack of some checkout, started for this."""

    name: str
    home: Path
    ports: Ports
    process: "subprocess.Popen[bytes]"

    def url(self, service: str) -> str:
        """Returns the base URL of a service."""
        return f"http://127.0.0.1:{self.ports.of(service)}"

    def cpu_seconds(self) -> dict[str, float]:
        """Returns the seconds of processor time that each part has used so far, by its name."""
        used = defaultdict[str, float](float)
        for pid in _descendants(self.process.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except OSError:
                continue
            used[_part(command)] += (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
        return used


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:
            continue
        for child in found:
            yield from _descendants(int(child))


def _part(command: Sequence[str]) -> str:
    text = " ".join(command)
    for service in SERVICES:
        if f"services.{service}" in text:
            return service
    for mark, name in (("tansu", "broker"), ("kafka.Kafka", "broker"), ("postgres", "PostgreSQL"), ("mail", "mail")):
        if mark in text:
            return name
    return "supervisor"


@contextmanager
def started(checkout: Path, folder: Path, name: str) -> Iterator[Running]:
    """Starts a checkout's stack in a folder of its own, with no data."""
    ports, home = Ports.free(), folder / name
    own = {variable: str(ports.of(part)) for part, variable in Ports.variables()}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "run", "--no-demo"],
            cwd=checkout,
            env={**os.environ, **own, "RAPPORT_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
        try:
            yield Running(name, home, ports, process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def ready(stacks: Sequence[Running], http: httpx2.AsyncClient) -> None:
    """Returns once every service of every stack is ready, and the files of its keys are there."""
    async with asyncio.timeout(READY_SECONDS):
        for stack in stacks:
            for service in SERVICES:
                while not await _is_ready(stack, service, http):
                    if stack.process.poll() is not None:
                        raise SystemExit(f"{stack.name} ended: {stack.home}.log")
                    await asyncio.sleep(LOOK_SECONDS)


async def _is_ready(stack: Running, service: str, http: httpx2.AsyncClient) -> bool:
    if not (stack.home / "write-key").exists():
        return False
    try:
        return (await http.get(f"{stack.url(service)}/health/ready")).is_success
    except httpx2.TransportError:
        return False


async def rest(stacks: Sequence[Running], seconds: float) -> dict[str, dict[str, float]]:
    """Returns the percents of one core that each part of each stack takes while nothing comes."""
    before = {stack.name: stack.cpu_seconds() for stack in stacks}
    await asyncio.sleep(seconds)
    found: dict[str, dict[str, float]] = {}
    for stack in stacks:
        after = stack.cpu_seconds()
        found[stack.name] = {
            part: 100 * (used - before[stack.name].get(part, 0)) / seconds for part, used in after.items()
        }
    return found


async def latencies(
    stacks: Sequence[Running], http: httpx2.AsyncClient, *, events: int, pause_seconds: float
) -> dict[str, list[float]]:
    """Returns the milliseconds from accepting an order to handing over its message, for each stack.

    Each order is a new customer's, and lifts her to silver.
    """
    begun = SystemClock().now()
    for number in range(events):
        for stack in stacks:
            await asyncio.sleep(pause_seconds / len(stacks))
            customer = f"idle-{begun.timestamp():.0f}-{number}"
            answer = await http.post(
                f"{stack.url('ingest')}/v1/batch",
                json={"batch": _customer(customer)},
                auth=((stack.home / "write-key").read_text().strip(), ""),
            )
            answer.raise_for_status()
    await asyncio.sleep(SETTLE_SECONDS)
    return {stack.name: await _handed(stack, http, since=begun, events=events) for stack in stacks}


def _customer(customer: str) -> list[dict[str, Any]]:
    order = {"order_id": customer, "currency": "USD", "total": "700.00"}
    return [
        {
            "type": "identify",
            "userId": customer,
            "traits": {"email": f"{customer}@example.com", "language": "en"},
            "context": {"consent": {"categoryPreferences": {"email": True}}},
        },
        {"type": "track", "event": "Order Completed", "userId": customer, "properties": order},
    ]


async def _handed(stack: Running, http: httpx2.AsyncClient, *, since: datetime, events: int) -> list[float]:
    bearer = {"Authorization": f"Bearer {(stack.home / 'admin-token').read_text().strip()}"}
    found: list[float] = []
    parameters: dict[str, str | int] = {"limit": 100}
    while len(found) < events:
        page = (await http.get(f"{stack.url('campaign')}/v1/messages", params=parameters, headers=bearer)).json()
        for one in page["messages"]:
            received = datetime.fromisoformat(one["cause_received_at"])
            if one["handed_at"] and received >= since:
                found.append((datetime.fromisoformat(one["handed_at"]) - received).total_seconds() * 1000)
        if not page["next"]:
            break
        parameters["cursor"] = page["next"]
    return found


def _show(console: Console, stacks: Sequence[Running], idle: dict[str, dict[str, float]], title: str) -> None:
    table = Table("", *(stack.name for stack in stacks), title=title)
    parts = sorted({part for one in idle.values() for part in one}, key=lambda part: -idle[stacks[0].name].get(part, 0))
    for part in parts:
        table.add_row(part, *(f"{idle[stack.name].get(part, 0):.1f}" for stack in stacks))
    table.add_row("all", *(f"{sum(idle[stack.name].values()):.1f}" for stack in stacks), style="bold")
    console.print(table)


def _show_latencies(console: Console, found: dict[str, list[float]], title: str) -> None:
    table = Table("", "messages", "p50", "p99", "most", title=title)
    for name, times in found.items():
        if len(times) > 1:
            cuts = statistics.quantiles(times, n=100, method="inclusive")
            table.add_row(name, str(len(times)), *(f"{value:,.0f} ms" for value in (cuts[49], cuts[98], max(times))))
        else:
            table.add_row(name, str(len(times)))
    console.print(table)


async def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench-idle", description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout, whose stack runs at the same time")
    parser.add_argument("--seconds", type=float, default=60.0, help="of idleness")
    parser.add_argument("--events", type=int, default=60, help="sent to each stack in quick succession")
    parser.add_argument("--first", type=int, default=10, help="sent to each stack with a pause before each")
    parser.add_argument("--pause", type=float, default=IDLE_SECONDS + 5, help="seconds of that pause")
    chosen = parser.parse_args(arguments)
    console = Console(width=100)
    folder = Path(tempfile.mkdtemp(prefix="rapport-idle-"))
    try:
        with started(CHECKOUT, folder, "here") as here:
            if chosen.beside is None:
                await _measure(console, [here], chosen)
            else:
                with started(chosen.beside.resolve(), folder, "beside") as beside:
                    await _measure(console, [here, beside], chosen)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


async def _measure(console: Console, stacks: Sequence[Running], chosen: argparse.Namespace) -> None:
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
        await ready(stacks, http)
        await asyncio.sleep(SETTLE_SECONDS)
        if chosen.events:
            found = await latencies(stacks, http, events=chosen.events, pause_seconds=1.0)
            _show_latencies(console, found, "accept to message, one order a second")
        if chosen.first:
            found = await latencies(stacks, http, events=chosen.first, pause_seconds=chosen.pause)
            _show_latencies(console, found, f"accept to message, the first order after {chosen.pause:g} s")
        await asyncio.sleep(QUIET_SECONDS)
        idle = await rest(stacks, chosen.seconds)
        _show(console, stacks, idle, f"% of one core, in {chosen.seconds:g} s, a minute after the last event")


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
