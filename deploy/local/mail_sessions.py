"""The provider's own log of what it was asked: what a sender that died can no longer tell."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from deploy.local.process import PRIVATE_FILE

Event = Literal["connected", "recipient", "kept", "answered", "lost"]


class SessionLog:
    """The append-only `DIR/sessions.ndjson`, with a line for each step of each connection.

    `connected`; `recipient`: one was accepted; `kept`: the message is in the index; `answered`: the 250 for it was
    handed to the transport; `lost`: the connection ended after a recipient was accepted and before the final answer,
    so a send was under way. Each line is with the kernel before the next step begins: it outlives the process, though
    not the machine.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / "sessions.ndjson"
        self._file = -1

    def open(self) -> None:
        """Go on where the log ends; a line without its end, from a disk that was full, is dropped."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        os.ftruncate(self._file, self._path.read_bytes().rfind(b"\n") + 1)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def connection(self) -> "Connection":
        """A new connection, under a name that no other has, in this run or another."""
        return Connection(self, uuid4().hex[:12])

    def write(self, connection: str, event: Event, **more: Any) -> None:
        line = {"at": datetime.now(UTC).isoformat(), "connection": connection, "event": event, **more}
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")


class Connection:
    """What one connection was asked, and whether a send is under way on it."""

    def __init__(self, log: SessionLog, name: str) -> None:
        self._log = log
        self._name = name
        self._to: str | None = None
        self._kept: int | None = None

    def connected(self) -> None:
        self._log.write(self._name, "connected")

    def recipient(self, to: str) -> None:
        self._to = to
        self._log.write(self._name, "recipient", to=to)

    def kept(self, message_id: int) -> None:
        self._kept = message_id
        self._log.write(self._name, "kept", to=self._to, id=message_id)

    def answered(self) -> None:
        """The final answer was handed over; a message that was refused leaves no line."""
        if self._kept is not None:
            self._log.write(self._name, "answered", to=self._to, id=self._kept)
        self.withdrawn()

    def withdrawn(self) -> None:
        """The sender took its recipients back: no send is under way."""
        self._to = self._kept = None

    def ended(self) -> None:
        if self._to is not None:
            kept = {} if self._kept is None else {"id": self._kept}
            self._log.write(self._name, "lost", to=self._to, **kept)
        self.withdrawn()
