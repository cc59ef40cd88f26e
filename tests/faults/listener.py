"""A TCP server on this machine whose connections end with it."""

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Self

from deploy.local.process import LOOPBACK

CHUNK_BYTES: Final = 64 * 1024


class Listener(ABC):
    """Accepts connections from `start` to `stop`; then not one, and no task of one, is left."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. It is closed when this returns, and cancelled at `stop`."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens from now on."""
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, self.port, limit=CHUNK_BYTES)

    async def stop(self) -> None:
        """Listens no more and ends what is connected. Raises what a connection failed of, if one did."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        await asyncio.sleep(0)  # a connection that was accepted just now gets its task
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._server is not None:
                await self.serve(reader, writer)
        except asyncio.CancelledError:
            if self._server is not None:  # not by `stop`: asyncio's own callback takes a cancelled task for a defect
                raise
        finally:
            writer.transport.abort()
            self._tasks.discard(task)
