"""The hash chain of the audit log: what an entry's hash covers, and which entries do not fit. Pure.

The method is that of Haber and Stornetta, "How to time-stamp a digital document" (1991): each entry's hash covers its
content and the hash of the entry before it, so that no entry can be changed, taken out, put in or moved without every
later hash changing, too.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.http.auth import Principal

BEGINNING: Final = bytes(32)  # the hash before the first entry
COMMAND_LINE: Final = "command line"


class Actor(msgspec.Struct, frozen=True):
    """Who changes something, and what allowed it: a token's subject and scopes, or a user of the machine."""

    subject: str
    scopes: tuple[str, ...] = ()

    @classmethod
    def of(cls, principal: Principal) -> "Actor":
        """Returns the caller of a route."""
        return cls(principal.subject, tuple(sorted(principal.scopes)))

    @classmethod
    def at_command_line(cls, user: str) -> "Actor":
        """Returns a user of the operating system who runs a command."""
        return cls(user, (COMMAND_LINE,))


class Entry(msgspec.Struct, frozen=True):
    """One change of a definition.

    `change` is JSON text, kept as it was written; it holds neither secrets nor personal data, only their digests.
    """

    sequence: int
    at: datetime
    subject: str
    scopes: str
    action: str
    object_kind: str
    object_id: str
    change: str
    previous: bytes
    hash: bytes

    def computed(self) -> bytes:
        """Returns the hash that the entry's content and the hash before it make."""
        content = (
            *(self.previous.hex(), self.sequence, self.at.astimezone(UTC).isoformat(timespec="microseconds")),
            *(self.subject, self.scopes, self.action, self.object_kind, self.object_id, self.change),
        )
        return hashlib.sha256(msgspec.json.encode(content)).digest()


class Head(msgspec.Struct, frozen=True):
    """The end of the chain: how many entries there are, and the last one's hash."""

    sequence: int = 0
    hash: bytes = BEGINNING

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash.hex()}"


class Break(msgspec.Struct, frozen=True):
    """A place where the chain does not hold."""

    sequence: int
    reason: str


def entry_after(
    head: Head, *, at: datetime, by: Actor, action: str, kind: str, object_id: str, change: Mapping[str, Any]
) -> Entry:
    """Returns the entry that follows the head; texts that PostgreSQL can't hold are made such that it can."""
    entry = Entry(
        sequence=head.sequence + 1,
        at=at,
        subject=_keepable(by.subject),
        scopes=_keepable(" ".join(by.scopes)),
        action=action,
        object_kind=kind,
        object_id=_keepable(object_id),
        change=_keepable(msgspec.json.encode(change, order="sorted").decode()),
        previous=head.hash,
        hash=b"",
    )
    return msgspec.structs.replace(entry, hash=entry.computed())


def breaks(entries: Iterable[Entry], *, before: Head) -> Iterator[Break | Head]:
    """Yields every entry that does not follow the one before it, and at last the head that the entries end with."""
    head = before
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            yield Break(entry.sequence, f"follows entry {head.sequence}: entries are missing, or were moved")
        elif entry.previous != head.hash:
            yield Break(entry.sequence, "does not follow from the entry before it")
        if entry.computed() != entry.hash:
            yield Break(entry.sequence, "its content is not what its hash was made of")
        head = Head(entry.sequence, entry.hash)
    yield head


def digest(value: Any) -> str | None:
    """Returns the SHA-256 of a value's JSON, in hexadecimal, for what is too long or too private to repeat."""
    return None if value is None else hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Returns the fields whose values differ, each with its value before and after; a missing one is null."""
    names = sorted({*before, *after})
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}


def _keepable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
