"""Decoding of what is read: as the contracts do, with ids that are quick."""

from collections.abc import Iterable

from asyncpg.pgproto import pgproto

from shared.contracts import wire
from shared.contracts.envelope import Event


def decode(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Event:
    """Returns the event in a record, as `wire.decode`.

    Its ids are of the class that ids from PostgreSQL are of: a UUID of Python's, but it is made, compared, hashed and
    written three to ten times as fast, and a batch does so some fifty times an event.
    """
    return wire.decode(headers, value, uuid=pgproto.UUID)
