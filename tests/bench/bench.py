"""What benchmarks share: processes on a core of their own, wrk, memory, medians."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from deploy.local.process import Child, StackError, run_to_end

HERE: Final = Path(__file__).resolve().parent
MEASURED_CORE: Final = 0  # what is measured has this core to itself, where there is more than one
RUN_SECONDS: Final = 120.0


class Load(msgspec.Struct, frozen=True):
    """What wrk saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def require(*tools: str) -> None:
    """Raises `StackError`, with what to install, unless these programs are there."""
    for tool in tools:
        if shutil.which(tool) is None:
            raise StackError(f"the benchmark needs `{tool}`: apt install {tool}")


def give_up_core() -> str:
    """Keeps this process and all that it starts off the measured core; says how."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return "one core for everything"
    os.sched_setaffinity(0, set(cores) - {MEASURED_CORE})
    return f"core {MEASURED_CORE} for what is measured, {len(cores) - 1} for load, broker and PostgreSQL"


def take_core() -> None:
    """Moves this process, which gave the measured core up, there: what it has started stays where it is."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {MEASURED_CORE} if MEASURED_CORE not in cores else cores)


def on_measured_core(command: Sequence[str]) -> list[str]:
    """The command, to run on the core that this process gave up."""
    return ["taskset", "-c", str(MEASURED_CORE), *command]


async def wrk(
    url: str, bodies: Path, authorization: str, *, run: int, seconds: float, connections: int, pause_ms: float = 0
) -> Load:
    """One run of wrk with one thread."""
    printed = await run_to_end(
        "wrk",
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(HERE / "load.lua")),
            *(url, "--", str(bodies), authorization, str(run), f"{pause_ms:g}"),
        ],
        log=bodies.with_suffix(".log"),
        deadline_seconds=RUN_SECONDS,
    )
    line = next(line for line in printed.splitlines() if line.startswith("RESULT "))
    return msgspec.json.decode(line.removeprefix("RESULT "), type=Load)


def memory_mebibytes(child: Child) -> float:
    """A process's resident memory: of the measured program, which the launcher has become."""
    for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(child: Child) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def spawn(name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> Child:
    """A program on the measured core."""
    return await Child.spawn(name, on_measured_core(command), log=log, env={**os.environ, **env}, cwd=cwd)


async def until_answers(url: str, child: Child) -> None:
    """Returns once a server answers anything."""
    async with asyncio.timeout(RUN_SECONDS), httpx2.AsyncClient(trust_env=False) as client:
        while True:
            try:
                await client.get(url)
                return
            except httpx2.TransportError as error:
                if not child.alive:
                    raise StackError(child.ending()) from error
            await asyncio.sleep(0.1)
