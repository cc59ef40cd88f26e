"""The network between two parts, and everything that can become of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from deploy.local.process import LOOPBACK, free_port
from tests.faults.proxy import Proxy, Seen
from tests.support.running import eventually

DEADLINE_SECONDS = 5.0
SILENCE_SECONDS = 0.1  # enough for anything that would come at all
DELAY_SECONDS = 0.15
T = TypeVar("T")
RESET = (ConnectionResetError, BrokenPipeError)


class Echo:
    """A target that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.endings: list[str] = []
        self.port = free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        try:
            while chunk := await reader.read(65_536):
                self.got += chunk
                writer.write(chunk)
                await writer.drain()
            self.endings.append("end")
        except RESET:
            self.endings.append("reset")
        finally:
            writer.close()


@dataclass
class Client:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, payload: bytes) -> bytes:
        """What comes back for it."""
        self.writer.write(payload)
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.reader.readexactly(len(payload))

    async def hears_nothing(self) -> bool:
        """Whether the connection is open and silent."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False

    async def is_reset(self) -> bool:
        """Whether it says nothing more, and ends by RST."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self.reader.read(1)
        except RESET:
            return True
        return False

    async def is_reset_at_last(self) -> bool:
        """Whether it ends by RST, after whatever comes before that."""
        while not await self.is_reset():
            if self.reader.at_eof():
                return False
        return True


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    target = Echo()
    server = await asyncio.start_server(target.serve, LOOPBACK, target.port)
    async with server:
        yield target


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with Proxy("echo", free_port(), echo.port) as made:
        yield made


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[Client]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_bytes_and_ends_go_through_in_both_directions(proxy: Proxy, echo: Echo) -> None:
    async with client_of(proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"
        client.writer.write_eof()
        assert await client.reader.read() == b""
    assert echo.endings == ["end"]
    assert proxy.seen == Seen(made=1)
    await eventually(lambda: _links(proxy), lambda links: links == 0)


async def test_much_data_arrives_whole_and_a_slow_reader_slows_the_writer(proxy: Proxy, echo: Echo) -> None:
    megabyte = bytes(range(256)) * 4096
    async with client_of(proxy.port) as client, asyncio.timeout(DEADLINE_SECONDS):
        client.writer.transport.set_write_buffer_limits(high=65_536)
        sent = 0
        try:
            async with asyncio.timeout(SILENCE_SECONDS * 5):
                while sent < 64:  # nobody reads what comes back, so some time this must stop
                    client.writer.write(megabyte)
                    await client.writer.drain()
                    sent += 1
        except TimeoutError:
            sent += 1
        assert sent < 64
        for _ in range(sent):
            assert await client.reader.readexactly(len(megabyte)) == megabyte


async def test_a_cut_resets_what_is_connected_and_lets_new_ones_through(proxy: Proxy, echo: Echo) -> None:
    async with client_of(proxy.port) as old, client_of(proxy.port) as other, client_of(proxy.port) as new:
        await old.ask(b"1")
        await other.ask(b"2")
        await new.ask(b"3")
        proxy.cut()
        assert await old.is_reset()
        assert await other.is_reset()
    async with client_of(proxy.port) as new:
        assert await new.ask(b"4") == b"4"
    await eventually(lambda: _value(echo.endings.count("reset")), lambda resets: resets == 3)
    assert (proxy.seen.broken, proxy.seen.made) == (3, 4)


async def test_while_refusing_every_connection_is_reset_until_it_opens(proxy: Proxy) -> None:
    async with client_of(proxy.port) as old:
        await old.ask(b"1")
        proxy.refuse()
        assert await old.is_reset()
    async with client_of(proxy.port) as refused:
        assert await refused.is_reset()
    proxy.open()
    async with client_of(proxy.port) as new:
        assert await new.ask(b"2") == b"2"
    assert (proxy.seen.broken, proxy.seen.refused) == (1, 1)


async def test_a_black_hole_keeps_connections_open_and_says_nothing(proxy: Proxy, echo: Echo) -> None:
    async with client_of(proxy.port) as talking, client_of(proxy.port) as idle:
        await talking.ask(b"1")
        await idle.ask(b"2")
        proxy.black_hole()
        talking.writer.write(b"lost")
        assert await talking.hears_nothing()
        async with client_of(proxy.port) as late:
            late.writer.write(b"hello?")
            assert await late.hears_nothing()
            assert bytes(echo.got) == b"12"
            proxy.open()
            assert await late.is_reset()
        assert await talking.is_reset()
        assert await idle.ask(b"3") == b"3", "one that lost nothing goes on"
    assert proxy.seen == Seen(made=2, broken=2, silent=1, held_chunks=2, held_bytes=10)


async def test_an_end_does_not_get_through_a_black_hole(proxy: Proxy, echo: Echo) -> None:
    async with client_of(proxy.port) as client:
        await client.ask(b"1")
        proxy.black_hole()
    await asyncio.sleep(SILENCE_SECONDS)
    assert echo.endings == []
    proxy.open()
    await eventually(lambda: _value(echo.endings), lambda endings: endings == ["reset"])


async def test_a_delay_holds_pieces_in_both_directions_and_keeps_their_order(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    async with client_of(proxy.port) as client:
        await client.ask(b"1")
        proxy.delay(DELAY_SECONDS)
        started = loop.time()
        assert await client.ask(b"2") == b"2"
        assert loop.time() - started >= 2 * DELAY_SECONDS * 0.9
        client.writer.write(b"ab")
        await asyncio.sleep(DELAY_SECONDS / 3)
        assert await client.ask(b"cd") == b"ab"
        assert await client.reader.readexactly(2) == b"cd"
    assert proxy.seen.delayed_chunks >= 4


async def test_opening_ends_a_long_delay_at_once(proxy: Proxy) -> None:
    proxy.delay(3600)
    async with client_of(proxy.port) as client:
        client.writer.write(b"1")
        await eventually(lambda: _value(proxy.seen.delayed_chunks), lambda delayed: delayed == 1)
        proxy.open()
        assert await _soon(client.reader.readexactly(1)) == b"1"


async def test_a_request_is_cut_in_its_middle(proxy: Proxy, echo: Echo) -> None:
    async with client_of(proxy.port) as old:
        await old.ask(b"12345678")
        proxy.cut_after(10)
        assert await old.ask(b"1234567") == b"1234567", "counted from now on"
        old.writer.write(b"89abcdef")
        assert await old.is_reset_at_last()
    async with client_of(proxy.port) as new:
        new.writer.write(b"x" * 11)
        assert await new.is_reset_at_last()
    await eventually(lambda: _value(len(echo.endings)), lambda ended: ended == 2)
    assert bytes(echo.got) == b"12345678" + b"123456789a" + b"x" * 10
    assert (proxy.seen.cuts_in_stream, proxy.seen.broken) == (2, 2)
    proxy.open()
    async with client_of(proxy.port) as client:
        assert await client.ask(b"y" * 20) == b"y" * 20


async def test_a_target_that_is_away_is_a_reset_and_no_fault_of_the_proxy() -> None:
    async with Proxy("nobody", free_port(), free_port()) as proxy, client_of(proxy.port) as client:
        assert await client.is_reset()
        assert proxy.seen == Seen()


async def test_stopping_leaves_no_task_and_no_connection(echo: Echo) -> None:
    before = len(asyncio.all_tasks())
    proxy = Proxy("echo", free_port(), echo.port)
    await proxy.start()
    async with client_of(proxy.port) as one, client_of(proxy.port) as two:
        await one.ask(b"1")
        proxy.delay(3600)
        one.writer.write(b"2")
        proxy_saw = replace(proxy.seen)
        proxy.black_hole()
        await _soon(proxy.stop())
        assert await one.is_reset()
        assert await two.is_reset()
    await eventually(lambda: _value(len(asyncio.all_tasks())), lambda tasks: tasks == before)
    assert proxy_saw.since(proxy_saw) == Seen()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, proxy.port)


async def _soon(work: Awaitable[bytes | None]) -> bytes | None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await work


async def _links(proxy: Proxy) -> int:
    return len(proxy._links)


async def _value(value: T) -> T:
    return value
