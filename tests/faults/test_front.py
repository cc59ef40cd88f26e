"""The front: where connections go, and what clients hear when there is nobody behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from deploy.local.process import LOOPBACK, free_port
from tests.faults.front import Front
from tests.support.running import eventually

DEADLINE_SECONDS = 5.0
BODY_BYTES = 4 * 1024 * 1024  # more than the kernel keeps for a server that does not read


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with Front("test", free_port(), free_port()) as made:
        yield made


@asynccontextmanager
async def upstream(name: str, port: int) -> AsyncIterator[None]:
    """An HTTP server that answers every request with its name and the number of bytes it got, and keeps connections."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                text = f"{name} {len(await reader.readexactly(length))}"
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        finally:
            writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, port):
        yield


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


@asynccontextmanager
async def client_of(front: Front) -> AsyncIterator[httpx2.AsyncClient]:
    url = f"http://{LOOPBACK}:{front.port}"
    async with httpx2.AsyncClient(base_url=url, timeout=DEADLINE_SECONDS, trust_env=False) as client:
        yield client


async def test_new_connections_go_to_the_new_upstream_and_present_ones_stay(front: Front) -> None:
    left, right = free_port(), free_port()
    async with upstream("left", left), upstream("right", right), client_of(front) as old, client_of(front) as new:
        front.point_at(left)
        assert (await old.post("/", content=b"x" * BODY_BYTES)).text == f"left {BODY_BYTES}"
        front.point_at(right)
        assert (await new.get("/")).text == "right 0"
        assert (await old.get("/")).text == "left 0"
    assert (front.made, front.unavailable) == (2, 0)


@pytest.mark.parametrize("body", [b"", b"x" * BODY_BYTES])
async def test_with_nobody_behind_it_a_client_reads_503_and_not_a_reset(front: Front, body: bytes) -> None:
    async with client_of(front) as client:
        for _ in range(3):
            answer = await client.post("/v1/batch", content=body)
            assert answer.status_code == 503
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == 503
        there = free_port()
        async with upstream("there", there):
            front.point_at(there)
            assert (await client.get("/")).text == "there 0"
    assert front.unavailable == 3


async def test_a_body_in_pieces_of_unknown_length_is_answered_too(front: Front) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 65_536

    async with client_of(front) as client:
        assert (await client.post("/", content=pieces())).status_code == 503


async def test_an_upstream_that_ends_a_connection_ends_it_for_the_client(front: Front) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbye")
        writer.close()

    port = free_port()
    front.point_at(port)
    async with await asyncio.start_server(once, LOOPBACK, port), client_of(front) as client:
        assert [(await client.get("/")).text for _ in range(3)] == ["bye"] * 3
    assert front.made == 3


async def test_stopping_ends_connections_with_and_without_an_upstream() -> None:
    before = len(asyncio.all_tasks())
    port = free_port()
    front = Front("test", free_port(), port)
    await front.start()
    silent = await asyncio.open_connection(LOOPBACK, front.port)
    async with upstream("there", port):
        joined = await asyncio.open_connection(LOOPBACK, front.port)
        await eventually(lambda: _made(front), lambda made: made == 1)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await front.stop()
            for reader, writer in (silent, joined):
                assert await reader.read() == b""
                writer.close()
    await eventually(lambda: _tasks(), lambda tasks: tasks == before)


async def _made(front: Front) -> int:
    return front.made


async def _tasks() -> int:
    return len(asyncio.all_tasks())
