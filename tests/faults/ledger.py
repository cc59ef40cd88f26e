"""The history of a run: every call, every fault, one JSON object a line, written before anything follows from it."""

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from shared.service.clock import SystemClock


class Outcome(StrEnum):
    """What a client knows of its call."""

    OK = "ok"
    FAILED = "failed"  # certainly not taken in
    UNKNOWN = "unknown"


class Ledger:
    """Appends to a history. A line is in the file when `note` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = SystemClock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, kind: str, **fields: Any) -> None:
        """Writes one line, with the time."""
        os.write(self._file, msgspec.json.encode({"at": self._clock.now(), "kind": kind, **fields}) + b"\n")

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a history, oldest first."""
    for line in path.read_bytes().splitlines():
        yield msgspec.json.decode(line)
