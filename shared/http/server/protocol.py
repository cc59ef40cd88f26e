"""uvicorn's HTTP protocol with bounds: what is too large or too slow is refused before an application sees it.

All deadlines are kept by one look at every connection a tick (`ConnectionRegister.run`), none by a timer of its own:
an ordinary request costs some additions, and no call to the loop.
"""

import asyncio
from enum import Enum
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from shared.http.server import refusals
from shared.http.server.limits import MAX_PIPELINED
from shared.http.server.refusals import Refusal, Refused
from shared.http.server.register import Admission, ConnectionRegister
from shared.service import metrics

FAREWELL_SECONDS: Final = 2.0  # in which a refused client may read why: a reset would take the answer from it
FAREWELL_BYTES: Final = 4_194_304  # of what it still sends meanwhile, which nobody reads
HEADER_OVERHEAD_BYTES: Final = 4  # colon, space and line end
LENGTH_DIGITS: Final = 18  # of a content length that fits into 64 bits, whatever its digits
PROBED: Final = (b"/health/", b"/metrics")


class ServerConfig(Config):
    """uvicorn's configuration, and the register that all connections of its server share."""

    register: ConnectionRegister


class Reading(Enum):
    """What the client is about to send."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Whatever its client does, it ends within the times of the limits."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._register = cast("ServerConfig", config).register
        self._limits = self._register.limits
        self._admission = Admission.OPEN
        self._is_proxy = False
        self._reading = Reading.NOTHING
        self._since = self._register.now  # of what `_reading` says; of idleness, if that is nothing
        self._begun = 0  # requests that began in the data in hand
        self._head_bytes = 0  # of the request line and the headers, as far as they are complete
        self._unparsed_bytes = 0  # of a head that is not complete
        self._header_count = 0
        self._hosts = 0
        self._announced = 0
        self._body_limit = 0
        self._body_bytes = 0
        self._body_bytes_before = 0  # when the window began in which the body has to grow
        self._unsent_bytes = 0  # when the window began in which the answer has to be taken
        self._unsent_since: float | None = None
        self._drained = False
        self._ends_at: float | None = None
        self._discarded_bytes = 0

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admits the connection, or refuses it."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self._is_proxy = self._register.is_proxy(host)
        try:
            self._admission = self._register.admit(self, host, is_proxy=self._is_proxy)
        except Refused as refused:
            self._refuse(refused.refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Frees its place."""
        self._register.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what has come, and refuses it as soon as it is too much."""
        if self._ends_at is not None:
            self._discard(len(data))
            return
        before, body_bytes, self._begun = self._reading, self._body_bytes, 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end_after_answer()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, Refused) else refusals.MALFORMED)
            return
        if self._reading is Reading.HEAD:
            self._count_unparsed(len(data), before)
        elif self._reading is Reading.BODY:
            if before is Reading.BODY and not self._begun:
                self._body_bytes = body_bytes + len(data)  # with what stands around its chunks
            if self._body_bytes > self._body_limit:
                self._refuse(refusals.BODY_TOO_LARGE)

    def _count_unparsed(self, size: int, before: Reading) -> None:
        """Bounds a head that is not complete, of which the parser tells nothing."""
        if before is Reading.HEAD and not self._begun:
            self._unparsed_bytes += size
        elif before is Reading.NOTHING and self._begun == 1:
            self._unparsed_bytes = size
        if self._unparsed_bytes > self._limits.header_bytes + self._limits.request_line_bytes:
            self._refuse(refusals.HEADERS_TOO_LARGE)

    def _discard(self, size: int) -> None:
        self._discarded_bytes += size
        if self._discarded_bytes > FAREWELL_BYTES:
            self.transport.abort()

    # The request, as the parser finds its parts

    def on_message_begin(self) -> None:
        """Begins a request."""
        super().on_message_begin()
        self._reading = Reading.HEAD
        self._since = self._register.now
        self._begun += 1
        self._head_bytes = self._unparsed_bytes = self._header_count = self._hosts = 0
        self._announced = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Reads its target, or a part of it."""
        self.url += url
        if len(self.url) > self._limits.request_line_bytes:
            raise Refused(refusals.LINE_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Reads a header, or a trailer."""
        self._header_count += 1
        self._head_bytes += len(name) + len(value) + HEADER_OVERHEAD_BYTES
        if self._head_bytes > self._limits.header_bytes or self._header_count > self._limits.headers:
            raise Refused(refusals.HEADERS_TOO_LARGE)
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            if len(value) > LENGTH_DIGITS:
                raise Refused(refusals.BODY_TOO_LARGE)
            self._announced = int(value)
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        if self._reading is Reading.HEAD:  # a trailer comes after the application has the headers
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Lets the application begin."""
        if self._hosts != 1 and (self._hosts or self.parser.get_http_version() == "1.1"):
            raise Refused(refusals.HOST)
        self._body_limit = self._limits.body_limit(self.url)
        if self._announced > self._body_limit:
            raise Refused(refusals.BODY_TOO_LARGE)
        if self._admission is Admission.PROBES and not self.url.startswith(PROBED):
            raise Refused(refusals.ALL_CONNECTIONS)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refused(refusals.PIPELINED)
        super().on_headers_complete()
        self._reading = Reading.BODY
        self._since = self._register.now
        self._body_bytes_before = 0

    def on_body(self, body: bytes) -> None:
        """Reads a part of its body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Notes that all of it is here."""
        self._reading = Reading.NOTHING
        self._since = self._register.now
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Does what uvicorn does, but for its timer: `inspect` ends idle connections."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._reading is Reading.NOTHING:
            self._since = self._register.now
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def resume_writing(self) -> None:
        """Notes that the client has taken what it was sent."""
        self._drained = True
        super().resume_writing()

    # Idleness

    def is_idle(self) -> bool:
        """Returns whether it waits for its next request: one was answered, and all of that is on its way."""
        return (
            self._reading is Reading.NOTHING
            and self._ends_at is None
            and self.cycle is not None
            and self.cycle.response_complete
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
        )

    def idle_since(self) -> float:
        """Returns when it became idle."""
        return self._since

    def let_go(self) -> None:
        """Closes it."""
        self.transport.close()

    # Deadlines

    def inspect(self, now: float) -> None:
        """Ends what has taken too long."""
        if self._ends_at is not None:
            if now >= self._ends_at:
                self.transport.abort()
        elif unsent := self.transport.get_write_buffer_size():
            self._inspect_answer(now, unsent)
        else:
            self._unsent_since = None
            if self.flow.read_paused:
                self._begin_window(now)  # it is we who take nothing more
            elif self._reading is Reading.HEAD:
                if now - self._since >= self._limits.header_seconds:
                    self._refuse(refusals.SLOW_HEADERS)
            elif self._reading is Reading.BODY:
                self._inspect_body(now)
            elif self.cycle is None or self.cycle.response_complete:
                self._inspect_idle(now)

    def _inspect_answer(self, now: float, unsent: int) -> None:
        """Ends a connection whose client does not read: neither all of it, nor at the least rate."""
        if self._unsent_since is not None:
            if now - self._unsent_since < self._limits.stall_seconds:
                return
            if not self._drained and self._unsent_bytes - unsent < self._least_bytes():
                metrics.http_refused.labels("slow_reader").inc()
                self.transport.abort()
                return
        self._unsent_since, self._unsent_bytes, self._drained = now, unsent, False

    def _inspect_body(self, now: float) -> None:
        if self.cycle is not None and self.cycle.waiting_for_100_continue:
            self._begin_window(now)
        elif now - self._since >= self._limits.stall_seconds:
            if self._body_bytes - self._body_bytes_before < self._least_bytes():
                self._refuse(refusals.SLOW_BODY)
            else:
                self._begin_window(now)

    def _inspect_idle(self, now: float) -> None:
        limits = self._limits
        allowed = limits.proxy_idle_seconds if self._is_proxy else limits.idle_seconds
        if self.cycle is None:  # nothing has come yet
            allowed = min(allowed, limits.header_seconds)
        if now - self._since >= allowed:
            self.let_go()

    def _begin_window(self, now: float) -> None:
        self._since, self._body_bytes_before = now, self._body_bytes

    def _least_bytes(self) -> float:
        return self._limits.stall_seconds * self._limits.bytes_per_second

    # Refusals

    def _refuse(self, refusal: Refusal) -> None:
        """Says why, and ends the connection once the client has had time to read it."""
        if self._ends_at is not None:
            return
        metrics.http_refused.labels(refusal.reason).inc()
        if not self._silences_application():
            self.transport.abort()
            return
        self._ends_at = self._register.now + FAREWELL_SECONDS
        self.flow.resume_reading()
        self.transport.write(refusal.answer)
        if not self._register.may_linger(self, is_proxy=self._is_proxy):
            self.transport.close()
        elif self.transport.can_write_eof():
            self.transport.write_eof()

    def _silences_application(self) -> bool:
        """Whether nothing of another answer is on this connection; an application that works on one is told to stop."""
        cycle = self.cycle
        if self.transport.is_closing() or self.pipeline:
            return False
        if cycle is None or (cycle.response_complete and self._reading is not Reading.BODY):
            return True
        if cycle.response_started or self._reading is not Reading.BODY:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True

    def _end_after_answer(self) -> None:
        """Another protocol was asked for, which is not spoken here: HTTP's answer is the last on this connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.transport.close()
