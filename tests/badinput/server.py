"""A service's API as processes serve it, on a port of its own, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

import uvloop

from deploy.local.process import LOOPBACK, free_port
from shared.service import process
from tests.support.applications import build
from tests.support.ingest import RecordingPublisher

START_SECONDS: Final = 30.0
END_SECONDS: Final = 60.0


@contextmanager
def served(service: str, database_url: str, **settings: Any) -> Iterator[str]:
    """Serves the API of a service whose loops do not run; its address."""
    port = free_port()
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    ended: Future[None] = Future()

    async def serve() -> None:
        made = build(service, database_url, publisher=RecordingPublisher(), http_port=port, **settings)
        made.needs_broker = False  # whose topics no request waits for
        if made.health is not None:
            made.health.consumer = None  # which runs in another process
        stop = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), stop))
        await process.run(made, stop=stop, roles=("api",))

    def run() -> None:
        try:
            uvloop.run(serve())
        except BaseException as error:
            ended.set_exception(error)
            raise
        ended.set_result(None)

    thread = threading.Thread(target=run, name=f"api-{service}", daemon=True)
    thread.start()
    loop, stop = ready.result(START_SECONDS)
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(END_SECONDS)
    ended.result(0)
