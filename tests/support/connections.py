"""A server as every service runs it, with a small application, and a client that behaves as badly as it is told to."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deploy.local.process import LOOPBACK, free_port
from shared.http.server.limits import ConnectionLimits
from shared.http.server.serving import Drain, serve

DEADLINE_SECONDS: Final = 20
LARGE_ANSWER_BYTES: Final = 32_000_000  # more than the kernel keeps for a socket
PATIENT: Final = ConnectionLimits()
IMPATIENT: Final = ConnectionLimits(header_seconds=1, stall_seconds=1, idle_seconds=1, proxy_idle_seconds=1)
GET: Final = b"GET /echo HTTP/1.1\r\nHost: shop.example\r\n\r\n"
POST: Final = b"POST /echo HTTP/1.1\r\nHost: shop.example\r\n"


async def echo(request: Request) -> Response:
    """The number of bytes that came; after a pause, if the request asks for one."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    await asyncio.sleep(float(request.query_params.get("pause", 0)))
    return PlainTextResponse(str(size))


async def large(_: Request) -> Response:
    return Response(b"x" * LARGE_ANSWER_BYTES)


async def hasty(_: Request) -> Response:
    """Answers without reading the body."""
    return PlainTextResponse("no", 401)


async def live(_: Request) -> Response:
    return PlainTextResponse("live")


@asynccontextmanager
async def served(limits: ConnectionLimits) -> AsyncIterator[int]:
    """A server on a port of its own."""
    routes = [
        Route("/echo", echo, methods=["GET", "POST"]),
        Route("/imports/echo", echo, methods=["POST"]),
        Route("/large", large),
        Route("/hasty", hasty, methods=["POST"]),
        Route("/health/live", live),
    ]
    stop, port = asyncio.Event(), free_port()
    drain = Drain(announce_seconds=0, finish_seconds=1)
    async with asyncio.TaskGroup() as tasks:
        app = Starlette(routes=routes)
        tasks.create_task(serve(app, stop, host=LOOPBACK, port=port, limits=limits, drain=drain))
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    with contextlib.suppress(OSError):
                        (await Raw.opened(port)).close()
                        break
                    await asyncio.sleep(0.02)
            yield port
        finally:
            stop.set()


class Raw:
    """A client that sends what it is told to, byte by byte if need be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def opened(cls, port: int, address: str = LOOPBACK) -> "Raw":
        """A connection from an address of this machine."""
        return cls(*await asyncio.open_connection(LOOPBACK, port, local_addr=(address, 0)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: its status, headers and body."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ended(self) -> bool:
        """Returns once the server has ended the connection; what still came is thrown away."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65_536):
                    pass
        return True

    def close(self) -> None:
        self.writer.close()


def open_connections() -> float:
    """How many connections the servers of this process have open."""
    return REGISTRY.get_sample_value("rapport_http_connections") or 0.0


@asynccontextmanager
async def connected(port: int, address: str = LOOPBACK) -> AsyncIterator[Raw]:
    """A client that closes its connection at the end."""
    client = await Raw.opened(port, address)
    try:
        yield client
    finally:
        client.close()
        with contextlib.suppress(ConnectionError):
            await client.writer.wait_closed()


async def answered(limits: ConnectionLimits, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """What a server answers to these bytes, of a client that waits for it and then for the end of the connection."""
    async with served(limits) as port, connected(port) as client:
        for part in parts:
            await client.send(part)
        found = await client.answer()
        if found[1].get("connection") == "close":
            assert await client.ended()
        return found


def assert_problem(found: tuple[int, dict[str, str], bytes], status: int) -> None:
    assert found[0] == status, found
    assert found[1]["content-type"] == "application/problem+json"
    assert found[1]["connection"] == "close"
    assert json.loads(found[2])["status"] == status
