"""Why a part ended, in words for a person: out of its exit code and what it wrote last."""

import json
from collections.abc import Mapping, Sequence
from signal import Signals
from typing import Any, Final

MOST_CHARACTERS: Final = 240
GRAVE: Final = ("error", "critical")


def how(code: int) -> str:
    """How it ended, by its exit status: minus the signal's number if a signal ended it."""
    return f"was ended by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def why(lines: Sequence[str]) -> str:
    """The last error among the lines that a part wrote; else its last line that is no log record; else nothing.

    A log record is told by its event and its error, without its other fields: those are for who reads the log.
    """
    plain = ""
    for line in reversed(lines):
        record = _record(line)
        if record is None:
            plain = plain or line.strip()
        elif record.get("level") in GRAVE:
            return _cut(_told(record))
    return _cut(plain)


def _record(line: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _told(record: Mapping[str, Any]) -> str:
    error = _raised(record.get("exception")) or str(record.get("error") or record.get("reason") or "")
    return f"{record['event']}: {error}" if error else str(record["event"])


def _raised(stacks: Any) -> str:
    """The first error that a record tells; of a group its first member, for a group only says how many it has."""
    if not isinstance(stacks, list) or not stacks or not isinstance(stacks[0], dict):
        return ""
    first = stacks[0]
    for member in first.get("exceptions") or ():
        if found := _raised(member):
            return found
    return f"{first.get('exc_type')}: {first.get('exc_value')}"


def _cut(text: str) -> str:
    words = " ".join(text.split())
    if len(words) <= MOST_CHARACTERS:
        return words
    return words[:MOST_CHARACTERS].rsplit(" ", 1)[0] + " …"
