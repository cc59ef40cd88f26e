"""Rolling restarts: a new process beside the old one, then the old one's end, again and again, under load."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from signal import SIGTERM
from typing import Any, Final

import httpx2

from deploy.local.process import LOOPBACK, free_port
from tests.faults.front import Front
from tests.faults.ledger import Ledger, Outcome
from tests.faults.world import Instance, World

CLIENTS: Final = 2  # a service
PAUSE_SECONDS: Final = 0.05
CALL_SECONDS: Final = 20.0
# What is asked of each service; ingest is told something instead.
QUESTIONS: Final[Mapping[str, str]] = {
    "profile": "/v1/totals",
    "segment": "/v1/counts",
    "campaign": "/v1/messages/figures",
    "feedback": "/v1/figures",
}
ANNOUNCE: Final = {"DRAIN_ANNOUNCE_SECONDS": "1.0"}


@dataclass
class Roller:
    """Restarts services behind fronts and counts what clients hear. What they tell ingest goes into the ledger."""

    world: World
    ledger: Ledger | None = None
    fronts: dict[str, Front] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    heard: Counter[tuple[str, int]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    launched: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)

    async def start(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        """Starts a first process of each service, and its front."""
        self._pause = pause_seconds
        for name in ("ingest", *QUESTIONS):
            instance = await self._launch(name)
            front = self.fronts[name] = Front(name, free_port(), instance.port)
            await front.start()

    async def stop(self) -> None:
        """Ends the fronts; the processes stay."""
        for front in self.fronts.values():
            await front.stop()

    async def roll(self, name: str) -> None:
        """Restarts one service: a new process, ready, then the old one's graceful end."""
        old = self.newest[name]
        instance = await self._launch(name)
        self.fronts[name].point_at(instance.port)
        code = await self.world.end(old, SIGTERM)
        if code != 0:
            self.errors.append(f"{old} ended with {code}")
        self.restarts[name] += 1

    async def _launch(self, name: str) -> Instance:
        self.launched[name] += 1
        key = f"{name}-{self.launched[name]}"
        instance = await self.world.launch(name, port=free_port(), key=key, **ANNOUNCE)
        self.newest[name] = key
        return instance

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """Clients that ask every service all the time, inside the block."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for name in self.fronts:
                for number in range(CLIENTS):
                    tasks.create_task(self._ask(name, number, stop))
            try:
                yield
            finally:
                stop.set()

    async def _ask(self, name: str, number: int, stop: asyncio.Event) -> None:
        url = f"http://{LOOPBACK}:{self.fronts[name].port}"
        async with httpx2.AsyncClient(base_url=url, timeout=CALL_SECONDS, trust_env=False) as client:
            asked = 0
            while not stop.is_set():
                asked += 1
                request = self._request(name, f"{number}-{asked}")
                told = request.get("json")
                self._note(told, "call", events=[told])
                outcome = Outcome.UNKNOWN
                try:
                    answer = await client.request(**request)
                    self.heard[name, answer.status_code] += 1
                    outcome = Outcome.OK if answer.is_success else Outcome.UNKNOWN
                except httpx2.TransportError as error:
                    self.errors.append(f"{name}: {error!r}")
                self._note(told, "answer", ids=[told and told["messageId"]], outcome=outcome)
                await asyncio.sleep(self._pause)

    def _note(self, told: Any, kind: str, **fields: Any) -> None:
        if self.ledger is not None and told is not None:
            self.ledger.note(kind, **fields)

    def _request(self, name: str, unique: str) -> dict[str, Any]:
        if name == "ingest":
            event = {"event": "Asked", "userId": f"roller-{unique}", "messageId": f"roller-{unique}"}
            return {"method": "POST", "url": "/v1/track", "json": event, "auth": (self.world.stack.write_key, "")}
        headers = {"Authorization": f"Bearer {self.world.stack.admin_token}"}
        return {"method": "GET", "url": QUESTIONS[name], "headers": headers}

    @property
    def wrong(self) -> dict[str, int]:
        """Answers that are neither good nor 503."""
        return {f"{name} {status}": n for (name, status), n in self.heard.items() if status not in (200, 503)}
