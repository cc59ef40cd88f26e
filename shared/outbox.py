"""The outbox: what a transaction wants published, written in that transaction. `shared.relay` publishes it."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.contracts.wire import Message
from shared.database.sql import sql
from shared.errors import Refused

# Below Kafka's default of 1 MiB, headers included: a record that the broker refuses would block the relay for ever.
MAX_RECORD_BYTES: Final = 900_000


_TO_SEVERAL: Final = """
        INSERT INTO outbox (topic, key, headers, value)
        SELECT topic, key, CAST(headers AS json), value
          FROM unnest(CAST(:topics AS text[]), CAST(:keys AS bytea[]), CAST(:headers AS text[]),
                      CAST(:values AS bytea[]))
               WITH ORDINALITY AS t(topic, key, headers, value, n)
         ORDER BY n
"""
_TO_ONE: Final = """
        INSERT INTO outbox (topic, key, headers, value)
        SELECT CAST(:topics AS text), key, CAST(headers AS json), value
          FROM unnest(CAST(:keys AS bytea[]), CAST(:headers AS text[]), CAST(:values AS bytea[]))
               WITH ORDINALITY AS t(key, headers, value, n)
         ORDER BY n
"""


class Outbox:
    """The outbox of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.touched = False

    async def add(self, topic: str, keyed: Iterable[tuple[bytes, Event]]) -> None:
        """Writes events, in this order, to be published to `topic` after commit."""
        await self.add_all((topic, key, event) for key, event in keyed)

    async def add_all(self, addressed: Iterable[tuple[str, bytes, Event]]) -> None:
        """Writes (topic, key, event), in this order, to be published after commit."""
        records: list[Message] = []
        for topic, key, event in addressed:
            head, value = wire.encode(event)
            records.append(Message(topic=topic, key=key, headers=head, value=value))
        await self.add_records(records)

    async def add_records(self, records: Sequence[Message]) -> None:
        """Writes records that are ready, in this order, to be published after commit."""
        await self._add(
            [record.topic for record in records],
            [record.key for record in records],
            [wire.headers_text(record.headers) for record in records],
            [record.value for record in records],
        )

    async def add_written(self, topic: str, records: Sequence[tuple[bytes, str, bytes]]) -> None:
        """Writes (key, headers as `wire.headers_text` has them, value), in this order, to be published after commit."""
        keys, headers, values = [list(column) for column in zip(*records, strict=True)] if records else ([], [], [])
        await self._add(topic, keys, headers, values)

    async def _add(self, topic: str | list[str], keys: list[bytes], headers: list[str], values: list[bytes]) -> None:
        for value in values:
            if len(value) > MAX_RECORD_BYTES:
                raise Refused(f"{len(value)} bytes to publish; the broker takes {MAX_RECORD_BYTES}")
        if not values:
            return
        self.touched = True
        await self._connection.execute(
            sql(_TO_ONE if isinstance(topic, str) else _TO_SEVERAL),
            {"topics": topic, "keys": keys, "headers": headers, "values": values},
        )

    async def waiting(self, topic: str) -> list[Event]:
        """Returns what is committed, or written here, and not known to be published yet."""
        rows = await self._connection.execute(
            sql("SELECT headers::text AS headers, value FROM outbox WHERE topic = :topic ORDER BY id"), {"topic": topic}
        )
        return [
            wire.decode([(name, raw.encode()) for name, raw in msgspec.json.decode(row.headers).items()], row.value)
            for row in rows
        ]


class NullOutbox(Outbox):
    """An outbox that publishes nothing: for a transaction that states again what was published long ago."""

    async def _add(self, topic: str | list[str], keys: list[bytes], headers: list[str], values: list[bytes]) -> None:
        """Passes over everything."""
