"""The local stack, as `make run` starts it, with its processes killed in turn by SIGKILL and started again by it."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx2

from deploy.local.process import StackError, answers
from deploy.local.settings import SERVICES
from deploy.local.stack import Stack
from deploy.local.supervisor import Part
from tests.faults.ledger import Ledger
from tests.faults.world import DRILL, READS, Connected
from tests.support import orders
from tests.support.logs import log_end
from tests.support.running import eventually

BACK_SECONDS: Final = 60.0
ASK_SECONDS: Final = 5.0
IDLE_LOOKS: Final = 3
LOOK_SECONDS: Final = 0.2
SETTLE_SECONDS: Final = 1.0  # a sender whose provider died has noted by then what became of its messages
OPEN_STATES: Final = ("pending", "sending")
DRILLS: Final = {"campaign": {name: DRILL[name] for name in DRILL if name.startswith(("SENDER", "SMTP"))}}
"""What the stack's services get beside all else, so that leftovers of a killed sender are settled within the run."""


class LocalWorld:
    """A stack that runs and is watched by its supervisor, as far as the checker and the drills ask of it."""

    whole_logs = False  # the broker's log is that of its last start

    def __init__(self, stack: Stack, ledger: Ledger) -> None:
        self.stack = stack
        self.home = stack.home
        self.kills: Counter[str] = Counter()
        self._ledger = ledger
        self._http = httpx2.AsyncClient(timeout=ASK_SECONDS, trust_env=False)

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Parts that end are started again inside the block; raises what the supervisor raises."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self.stack.watch())
                yield
                watching.cancel()
        except* StackError as group:
            raise group.exceptions[0] from None
        finally:
            await self._http.aclose()

    @property
    def running(self) -> set[str]:
        """The services of which a process should run."""
        return set(SERVICES)

    @property
    def direct(self) -> str:
        """The broker."""
        return self.stack.broker.bootstrap

    def database(self, name: str) -> Connected:
        """A connection to a service's database."""
        return Connected(self.stack.postgres.database_url(name).replace("+asyncpg", ""))

    async def lag(self) -> dict[str, Any]:
        """By service: what its health route says; None where it does not answer."""
        return {name: await self._asked(f"{self.stack.url(name)}/health/lag") for name in SERVICES}

    async def _asked(self, url: str) -> Any:
        try:
            return (await self._http.get(url)).raise_for_status().json()
        except (httpx2.HTTPError, ValueError):
            return None

    async def kill(self, part: Part) -> None:
        """Kills a part, whatever it is doing; returns when its next process answers."""
        unknown = await self._messages("unknown")
        [child] = part.children()
        self._ledger.note("fault", fault=f"kill {part.name}", pid=child.pid)
        os.kill(child.pid, SIGKILL)
        self.kills[part.name] += 1
        await child.wait()
        await eventually(lambda: self._is_back(part, child.pid), bool, deadline_seconds=BACK_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        sending = await self._messages("sending") | (await self._messages("unknown") - unknown)
        self._ledger.note("kill", service=part.name, sending=[str(one) for one in sending])

    async def _is_back(self, part: Part, killed: int) -> bool:
        children = part.children()
        if not children or not children[0].alive or children[0].pid == killed:
            return False
        name = part.name.removeprefix("the service ")
        if name in SERVICES:
            return await self._asked(f"{self.stack.url(name)}/health/ready") is not None
        ports = {"PostgreSQL": "postgres", "the broker": "kafka", "the mail sink": "smtp"}
        return await answers("127.0.0.1", self.stack.ports.of(ports[part.name]))

    async def _messages(self, *states: str) -> set[UUID]:
        async def found() -> set[UUID] | None:
            try:
                async with self.database("campaign") as connection:
                    rows = await connection.fetch("SELECT id FROM messages WHERE state = ANY($1::text[])", list(states))
            except (OSError, asyncpg.PostgresError):
                return None  # PostgreSQL is just being started
            return {row["id"] for row in rows}

        rows = await eventually(found, lambda ids: ids is not None, deadline_seconds=BACK_SECONDS)
        return rows or set()

    async def until_idle(self, *, deadline_seconds: float) -> None:
        """Returns when nothing is left to read, to publish or to send."""
        looks, last = 0, "nothing asked yet"
        try:
            async with asyncio.timeout(deadline_seconds):
                while looks < IDLE_LOOKS:
                    last = await self._busy()
                    looks = 0 if last else looks + 1
                    await asyncio.sleep(LOOK_SECONDS)
                    if looks == IDLE_LOOKS and (last := await self._unread()):
                        looks = 0
        except TimeoutError:
            raise AssertionError(f"not idle within {deadline_seconds:.0f} s: {last}") from None

    async def _busy(self) -> str:
        cluster_id = self.stack.broker.cluster_id
        for name, report in (await self.lag()).items():
            if report is None or report["lag"] is None or report["lag"] or report["outbox"]:
                return f"{name}: {report}"
            if report["publishes_to"] != cluster_id:
                return f"{name} publishes to {report['publishes_to']}"
        open_ = await self._messages(*OPEN_STATES)
        return f"{len(open_)} messages open" if open_ else ""

    async def _unread(self) -> str:
        for name in READS.keys() & self.running:
            read = await orders.read_offsets(self.stack.postgres, name, self.stack.broker.cluster_id)
            if (end := await log_end(self.direct, READS[name])) != read:
                return f"{name}: {end - read} records unread"
        return ""

    def memory(self) -> dict[str, float]:
        """Resident memory of each part's own process, in MiB."""
        return {
            part.name.removeprefix("the service "): _resident_mebibytes(child.pid)
            for part in self.stack.parts()
            for child in part.children()
            if child.alive
        }


def _resident_mebibytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
