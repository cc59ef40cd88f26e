"""A TCP proxy that cuts, refuses, swallows and delays: the network between a service and what it depends on."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import astuple, dataclass
from enum import Enum, auto
from typing import Final

from deploy.local.process import LOOPBACK
from tests.faults.listener import CHUNK_BYTES, Listener

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close sends RST


@dataclass(slots=True)
class Seen:
    """What came to pass at a proxy since it was made: a fault of which nothing is seen here was none."""

    made: int = 0  # connections that reached the target
    broken: int = 0  # connections reset by a fault
    refused: int = 0  # new connections reset at once
    silent: int = 0  # new connections that met a black hole
    held_chunks: int = 0  # pieces swallowed by a black hole
    held_bytes: int = 0
    delayed_chunks: int = 0
    cuts_in_stream: int = 0  # connections reset by `cut_after`, within what they sent

    def since(self, before: "Seen") -> "Seen":
        """What came since a copy (`dataclasses.replace(proxy.seen)`) was taken."""
        return Seen(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


class _Mode(Enum):
    OPEN = auto()
    REFUSE = auto()
    BLACK_HOLE = auto()
    DELAY = auto()
    CUT_AFTER = auto()


class _Link:
    """One connection through the proxy: the client's side and, once it is connected, the target's."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.sides = [client]
        self.torn = False  # lost bytes or an end in a black hole, so it can never go on
        self.over = False
        self.bytes_left: int | None = None  # towards the target, until it is cut

    def reset(self) -> None:
        """Both peers get RST; what was on its way is lost."""
        self.over = True
        for side in self.sides:
            with suppress(OSError):  # closed already
                side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            side.transport.abort()

    async def close(self) -> None:
        """Returns once what was written has been taken."""
        for side in self.sides:
            side.close()
            with suppress(OSError):
                await side.wait_closed()


class Proxy(Listener):
    """Forwards connections from one port to another on this machine, and does to them what it is told.

    Each of `open`, `cut`, `refuse`, `black_hole`, `delay` and `cut_after` replaces the one before, acts at once, and on
    present and new connections alike. A connection to a target that is away is reset. Pieces keep their order, and a
    reader that is slow slows its writer down.
    """

    def __init__(self, name: str, listen_port: int, target_port: int) -> None:
        super().__init__(listen_port)
        self.name = name
        self.seen = Seen()
        self._target_port = target_port
        self._mode = _Mode.OPEN
        self._changed = asyncio.Event()
        self._delay_seconds = 0.0
        self._cut_after: int | None = None
        self._links: set[_Link] = set()

    # What it does

    def open(self) -> None:
        """Forwards everything. Connections that lost something in a black hole are reset; untouched ones go on."""
        self._become(_Mode.OPEN)

    def cut(self) -> None:
        """Resets all present connections, once. New ones work."""
        self._become(_Mode.OPEN)
        self._break_all()

    def refuse(self) -> None:
        """Resets all present connections, and each new one as soon as it is accepted."""
        self._become(_Mode.REFUSE)
        self._break_all()

    def black_hole(self) -> None:
        """Swallows every byte and every end of a connection. New ones are accepted and never hear anything."""
        self._become(_Mode.BLACK_HOLE)

    def delay(self, seconds: float) -> None:
        """Holds each piece (64 KiB at most) for that long, one after the other, in both directions."""
        self._become(_Mode.DELAY)
        self._delay_seconds = seconds

    def cut_after(self, count: int) -> None:
        """Resets each connection when the target has got `count` more bytes on it, in the middle of what was sent."""
        self._become(_Mode.CUT_AFTER)
        self._cut_after = count
        for link in self._links:
            link.bytes_left = count

    def _become(self, mode: _Mode) -> None:
        self._mode = mode
        self._cut_after = None
        for link in list(self._links):
            link.bytes_left = None
            if link.torn:
                self._break(link)
        self._changed.set()  # wakes those who wait in the old mode
        self._changed = asyncio.Event()

    def _break_all(self) -> None:
        for link in list(self._links):
            self._break(link)

    def _break(self, link: _Link) -> None:
        if not link.over:
            self.seen.broken += 1
            link.reset()

    # How it does it

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, under whatever mode there is at each moment."""
        link = _Link(writer)
        link.bytes_left = self._cut_after
        self._links.add(link)
        try:
            await self._connect(link, reader)
        finally:
            link.reset()  # changes nothing after a close that was whole
            self._links.discard(link)

    async def _connect(self, link: _Link, client: asyncio.StreamReader) -> None:
        if self._mode is _Mode.REFUSE:
            self.seen.refused += 1
            return
        if self._mode is _Mode.BLACK_HOLE:
            self.seen.silent += 1
            link.torn = True
            await self._swallow(client)
            return
        try:
            target, towards_target = await asyncio.open_connection(LOOPBACK, self._target_port, limit=CHUNK_BYTES)
        except OSError:
            return
        link.sides.append(towards_target)
        if link.over:  # reset while the target was called
            link.reset()
            return
        self.seen.made += 1
        await self._carry(link, client, target)

    async def _carry(self, link: _Link, client: asyncio.StreamReader, target: asyncio.StreamReader) -> None:
        towards_client, towards_target = link.sides
        async with asyncio.TaskGroup() as both:
            both.create_task(self._forward(link, client, towards_target))
            both.create_task(self._forward(link, target, towards_client))
        if not link.over:
            await link.close()

    async def _forward(self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One direction, until its end is forwarded or the connection is broken."""
        try:
            while chunk := await source.read(CHUNK_BYTES):
                await self._pass(link, chunk, sink)
        except OSError:
            await self._out_of_black_hole(link)
            link.reset()
            return
        await self._out_of_black_hole(link)
        if not link.over:
            with suppress(OSError):
                sink.write_eof()

    async def _pass(self, link: _Link, chunk: bytes, sink: asyncio.StreamWriter) -> None:
        if self._mode is _Mode.DELAY:
            self.seen.delayed_chunks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._delay_seconds)
        if self._mode is _Mode.BLACK_HOLE:
            link.torn = True
            self._held(chunk)
        elif not link.over:
            towards_target = sink is link.sides[1]
            sink.write(chunk[: link.bytes_left] if towards_target else chunk)
            if towards_target:
                self._count_down(link, len(chunk))
            await sink.drain()

    def _count_down(self, link: _Link, count: int) -> None:
        if link.bytes_left is None:
            return
        link.bytes_left = max(0, link.bytes_left - count)
        if link.bytes_left == 0:
            self.seen.cuts_in_stream += 1
            self._break(link)

    async def _swallow(self, client: asyncio.StreamReader) -> None:
        """Hears a client that nobody answers, until it goes or is broken."""
        with suppress(OSError):
            while chunk := await client.read(CHUNK_BYTES):
                self._held(chunk)

    async def _out_of_black_hole(self, link: _Link) -> None:
        """The end of a connection does not get through a black hole either: the other side goes on believing in it."""
        while self._mode is _Mode.BLACK_HOLE and not link.over:
            link.torn = True
            await self._changed.wait()

    def _held(self, chunk: bytes) -> None:
        self.seen.held_chunks += 1
        self.seen.held_bytes += len(chunk)
