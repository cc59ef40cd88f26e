"""What stands before a service in a rolling restart: a load balancer that knows one upstream at a time."""

import asyncio
import json
from contextlib import suppress
from typing import Final

from deploy.local.process import LOOPBACK
from tests.faults.listener import CHUNK_BYTES, Listener

HEAD_SECONDS: Final = 60.0
LINGER_SECONDS: Final = 2.0
PROBLEM: Final = json.dumps(
    {
        "type": "https://rapport.example/problems/unavailable",
        "title": "The service can't do this right now; try again later.",
        "status": 503,
        "detail": "nothing answers behind the front",
    }
).encode()
UNAVAILABLE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Type: application/problem+json\r\n"
    b"Content-Length: %d\r\n"
    b"Retry-After: 1\r\n"
    b"Connection: close\r\n\r\n%b" % (len(PROBLEM), PROBLEM)
)


class Front(Listener):
    """Hands each new connection to the upstream of the moment, where it stays until it ends.

    If the upstream refuses it, the client's request is answered with 503, and the connection closed.
    """

    def __init__(self, name: str, listen_port: int, upstream_port: int) -> None:
        super().__init__(listen_port)
        self.name = name
        self.made = 0  # connections that reached an upstream
        self.unavailable = 0  # requests answered with 503 here
        self._upstream_port = upstream_port

    def point_at(self, port: int) -> None:
        """New connections go there from now on."""
        self._upstream_port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        with suppress(OSError):
            try:
                upstream, up = await asyncio.open_connection(LOOPBACK, self._upstream_port, limit=CHUNK_BYTES)
            except OSError:
                await self._refuse(reader, writer)
            else:
                self.made += 1
                await _join(reader, writer, upstream, up)
            writer.close()
            await writer.wait_closed()  # what was written has been taken

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(HEAD_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
            self.unavailable += 1
            writer.write(UNAVAILABLE)
            writer.write_eof()
            # A close with bytes unread would be a reset, which can overtake the answer.
            async with asyncio.timeout(LINGER_SECONDS):
                while await reader.read(CHUNK_BYTES):
                    pass


async def _join(
    client: asyncio.StreamReader,
    down: asyncio.StreamWriter,
    upstream: asyncio.StreamReader,
    up: asyncio.StreamWriter,
) -> None:
    """Returns once the upstream has said its last, and the client can be given the end."""
    try:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_pump(client, up))
            await _pump(upstream, down)
            asking.cancel()
    finally:
        up.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    with suppress(OSError):
        sink.write_eof()
