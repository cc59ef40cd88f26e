"""Segment's own Python SDKs as they are published: only the host that they send to is another."""

import asyncio
import atexit
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final

import analytics.client
import segment.analytics.client

FLUSH_SECONDS: Final = 60.0  # the older SDK doubles its waits: 1 s, 2 s, 4 s, 8 s


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK, and whether it packs what it sends."""

    version: str
    make: Callable[..., Any]
    gzip: bool = False

    def __str__(self) -> str:
        return self.version + (" with gzip" if self.gzip else "")


SDKS: Final = (
    Sdk("2.4.0", segment.analytics.client.Client),
    Sdk("2.4.0", segment.analytics.client.Client, gzip=True),
    Sdk("1.4.0", analytics.client.Client),
)


class Sender:
    """An SDK's client with its queue and its thread, and what its `on_error` was told."""

    def __init__(self, sdk: Sdk, host: str, write_key: str) -> None:
        self.sdk = sdk
        self.errors: list[tuple[Exception, list[dict[str, Any]]]] = []
        self.client = sdk.make(write_key, host=host, gzip=sdk.gzip, on_error=self._on_error)

    def _on_error(self, error: Exception, batch: list[dict[str, Any]]) -> None:
        self.errors.append((error, batch))

    @property
    def waiting(self) -> int:
        """Messages that the SDK's thread has not begun to send."""
        return int(self.client.queue.qsize())

    @property
    def unacknowledged(self) -> int:
        """Messages that wait, and those of the request that was not answered yet."""
        return int(self.client.queue.unfinished_tasks)

    async def flush(self) -> None:
        """The SDK's own `flush`; fails when it has not returned at the deadline."""
        flushing = Thread(target=self.client.flush, daemon=True)  # it takes no deadline, and nothing can interrupt it
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_SECONDS)
        assert not flushing.is_alive(), (
            f"{self.sdk}: {self.unacknowledged} messages were not acknowledged in {FLUSH_SECONDS:.0f} s"
        )


@asynccontextmanager
async def sending(sdk: Sdk, host: str, write_key: str) -> AsyncIterator[Sender]:
    """A client for the time of the block; what was not flushed by then is lost."""
    sender = Sender(sdk, host, write_key)
    try:
        yield sender
    finally:
        atexit.unregister(sender.client.join)  # after a failure it would wait for a thread that tries for minutes
        for consumer in sender.client.consumers:
            consumer.pause()
