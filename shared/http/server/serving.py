"""Serves an application until it is told to stop, then lets clients find another process before it closes."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from shared.http.server.limits import ConnectionLimits, fitted
from shared.http.server.protocol import BoundedProtocol, ServerConfig
from shared.http.server.register import ConnectionRegister

TICK_SECONDS: Final = 1.0  # uvicorn changes the header `Date` at most this often


@dataclass(frozen=True, slots=True)
class Drain:
    """How a server stops, in seconds: for `announce` it goes on answering, and for `finish` it ends what it began."""

    announce_seconds: float = 1.0
    finish_seconds: float = 15.0


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: a process has one way to stop. And without its ten looks a second."""

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._left = asyncio.Event()

    def leave(self) -> None:
        """Begins the end."""
        self.should_exit = True
        self._left.set()

    async def main_loop(self) -> None:
        """Keeps the header `Date` true until `leave`."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._left.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to `main`."""
        yield


async def serve(
    app: ASGIApp, stop: asyncio.Event, *, host: str, port: int, limits: ConnectionLimits, drain: Drain
) -> None:
    """Returns when `stop` is set and the last answers are given, or when the server has ended by itself."""
    config = _configuration(app, host, port, fitted(limits), drain)
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        inspecting = tasks.create_task(config.register.run())
        serving = tasks.create_task(server.serve())
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await asyncio.wait((serving,), timeout=drain.announce_seconds)
        server.leave()
        await serving
        stopping.cancel()
        inspecting.cancel()


def _configuration(app: ASGIApp, host: str, port: int, limits: ConnectionLimits, drain: Drain) -> ServerConfig:
    made = ServerConfig(
        app,
        host=host,
        port=port,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(limits.trusted_proxies),
        forwarded_allow_ips=limits.trusted_proxies,
        timeout_graceful_shutdown=int(drain.finish_seconds),
    )
    made.register = ConnectionRegister(limits)
    return made
