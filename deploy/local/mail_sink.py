"""The SMTP half of the mail sink: it keeps every message that it acknowledges."""

import asyncio
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.mail_sessions import Connection, SessionLog
from deploy.local.process import LOOPBACK, PRIVATE_FILE, private_folder

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
OK = "250 2.0.0 kept"
# By the beginning of an address: the reply that it gets. A campaign has to cope with all of them.
REPLIES_BY_PREFIX = {
    "defer-": "451 4.3.0 try again later",
    "busy-": "421 4.3.2 the service is not available",
    "reject-": "550 5.1.1 no such mailbox",
}
# Kept, and then the connection is cut before the reply: the sender cannot know.
CUT_PREFIX = "cut-"

Triple = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """What the index says about one accepted message. Header names in `rapport` are lower case."""

    id: int
    received_at: str
    mail_from: str
    rcpt: list[str]
    subject: str
    message_id: str
    rapport: dict[str, str]

    @property
    def triple(self) -> Triple | None:
        """(profile, journey, trigger): what must never be sent twice. None if a header is absent."""
        found = [self.rapport.get(f"x-rapport-{name}") for name in ("profile", "journey", "trigger")]
        return (found[0], found[1], found[2]) if found[0] and found[1] and found[2] else None


class MailSink:
    """An SMTP server on 127.0.0.1 that keeps every message it answers 250 to.

    A message is in `DIR/messages/<id>.eml` and, fsynced, in the append-only `DIR/index.ndjson` before it is
    acknowledged, so a killed sink still has its record. Started again, it goes on where it was. What it was asked on
    the way is in `DIR/sessions.ndjson` (`SessionLog`).
    """

    def __init__(self, data: Path, port: int, *, answer_delay_milliseconds: int = 0) -> None:
        self._data = data
        self._port = port
        self._index = -1
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._syncing = asyncio.Lock()
        self._synced = 0
        self._next_id = 1
        self.sessions = SessionLog(data)
        self.answer_delay_milliseconds = answer_delay_milliseconds
        """How long a message that is kept waits for its answer, so that a kill of the sender meets it under way."""
        self.messages: list[Message] = []

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        self._open()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), LOOPBACK, self._port)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await asyncio.sleep(0)  # a connection that was accepted just now gets its protocol
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)  # and each notes its end, while the log is open
            await self._server.wait_closed()
            self._server = None
        self.sessions.close()
        if self._index >= 0:
            os.close(self._index)
            self._index = -1

    def path(self, message_id: int) -> Path:
        return self._data / "messages" / f"{message_id:08d}.eml"

    def page(self, *, after: int, limit: int) -> list[Message]:
        """Up to `limit` messages with an id above `after`, oldest first."""
        return [message for message in self.messages if message.id > after][:limit]

    def counts(self) -> dict[str, Any]:
        """Totals, and the (profile, journey, trigger) triples that came more than once."""
        triples = Counter(triple for message in self.messages if (triple := message.triple))
        journeys = Counter(message.rapport.get("x-rapport-journey", "") for message in self.messages)
        return {
            "total": len(self.messages),
            "with_trigger": triples.total(),
            "distinct": len(triples),
            "journeys": dict(journeys.most_common()),
            "duplicates": [
                {"profile": profile, "journey": journey, "trigger": trigger, "count": count}
                for (profile, journey, trigger), count in triples.most_common()
                if count > 1
            ],
        }

    def clear(self) -> None:
        """Forget every message; ids go on."""
        os.ftruncate(self._index, 0)
        for message in self.messages:
            self.path(message.id).unlink(missing_ok=True)
        self.messages.clear()

    async def keep(self, envelope: Envelope, now: datetime, session: Connection) -> Message:
        """Write the message and return once its line in the index is on disk."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = _described(self._next_id, content, envelope, now)
        self._next_id += 1
        self.path(message.id).write_bytes(content)
        os.write(self._index, json.dumps(asdict(message), ensure_ascii=False).encode() + b"\n")
        self.messages.append(message)
        session.kept(message.id)
        await self._sync(message.id)
        return message

    async def _sync(self, message_id: int) -> None:
        """One fsync serves all that were written before it began."""
        async with self._syncing:
            if self._synced < message_id:
                newest = self._next_id - 1
                await asyncio.to_thread(os.fsync, self._index)
                self._synced = newest

    def _open(self) -> None:
        private_folder(self._data)
        private_folder(self._data / "messages")
        self._index = os.open(self._data / "index.ndjson", os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        kept = (self._data / "index.ndjson").read_bytes()
        whole = kept.rpartition(b"\n")[0]
        if whole:
            self.messages = [Message(**json.loads(line)) for line in whole.split(b"\n")]
            self._next_id = self.messages[-1].id + 1
        # A line without its end was never acknowledged.
        os.ftruncate(self._index, len(whole) + 1 if whole else 0)
        self.sessions.open()


class _Connection(SMTP):
    """One SMTP session; aiosmtpd calls the `handle_` methods of its handler, which is ourselves."""

    def __init__(self, sink: MailSink, loop: asyncio.AbstractEventLoop) -> None:
        self._sink = sink
        self.log = sink.sessions.connection()
        super().__init__(
            _Handler(sink, self),
            data_size_limit=MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="Rapport mail sink",
            loop=loop,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink._connections.add(self)
        self.log.connected()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink._connections.discard(self)
        self.log.ended()
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        await super().smtp_DATA(arg)
        gone = self.transport is None or self.transport.is_closing()
        left = self.envelope.rcpt_tos if self.envelope else []
        if not gone and not left:  # a complaint about the command itself would leave them
            self.log.answered()

    def _set_rset_state(self) -> None:
        self.log.withdrawn()
        super()._set_rset_state()  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Handler:
    def __init__(self, sink: MailSink, connection: _Connection) -> None:
        self._sink = sink
        self._connection = connection

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session
        for prefix, reply in REPLIES_BY_PREFIX.items():
            if address.startswith(prefix):
                return reply
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        self._connection.log.recipient(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        await self._sink.keep(envelope, datetime.now(UTC), self._connection.log)
        if self._sink.answer_delay_milliseconds:
            await asyncio.sleep(self._sink.answer_delay_milliseconds / 1000)
        if any(address.startswith(CUT_PREFIX) for address in envelope.rcpt_tos):
            self._connection.abort()
        return OK

    async def handle_QUIT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session, envelope
        self._connection.log.withdrawn()
        return "221 Bye"


def parse(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


def _described(message_id: int, content: bytes, envelope: Envelope, now: datetime) -> Message:
    # compat32 leaves values as they came: the modern policy parses every address, at 3 ms a mail.
    headers = HeaderParser(policy=policy.compat32).parsestr(content.partition(b"\r\n\r\n")[0].decode(errors="replace"))
    values = {name.lower(): _unfolded(value) for name, value in headers.items()}
    return Message(
        id=message_id,
        received_at=now.isoformat(timespec="milliseconds"),
        mail_from=envelope.mail_from or "",
        rcpt=[str(address) for address in envelope.rcpt_tos],
        subject=values.get("subject", ""),
        message_id=values.get("message-id", ""),
        rapport={name: value for name, value in values.items() if name.startswith("x-rapport-")},
    )


def _unfolded(value: str) -> str:
    line = " ".join(value.split())
    if "=?" not in line:
        return line
    try:
        return str(make_header(decode_header(line)))
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return line
