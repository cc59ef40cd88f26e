"""The outbox: what a transaction wants published, written in that transaction, relayed after it.

Guarantee: at least once, and in order for each key and for each (origin) lane whose rows were written one
transaction after the other. How: rows are sent in the order of their ids, one batch of a partition at a time, and
deleted only when the broker has acknowledged them; a batch whose fate is unknown is sent again before anything
behind it. Rows are never found by `id > cursor`, because ids commit out of order.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import metrics
from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.kafka.producer import BrokerAway, Message, Producer
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.db import Database

RELAY_ROWS: Final = 4000  # rows read at a time
LEASE_SECONDS: Final = 5
POLL_SECONDS: Final = 0.5  # when another process writes the rows, no wake-up reaches this one

log = get_logger(__name__)


class Outbox:
    """The outbox of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.touched = False

    async def add(self, topic: str, keyed: Iterable[tuple[bytes, Event]]) -> None:
        """Writes events, in this order, to be published to `topic` after commit."""
        keys: list[bytes] = []
        headers: list[str] = []
        values: list[bytes] = []
        for key, event in keyed:
            head, value = wire.encode(event)
            keys.append(key)
            headers.append(msgspec.json.encode({name: raw.decode() for name, raw in head}).decode())
            values.append(value)
        if not keys:
            return
        self.touched = True
        await self._connection.execute(
            text(
                "INSERT INTO outbox (topic, key, headers, value) "
                "SELECT :topic, key, CAST(headers AS json), value FROM unnest(CAST(:keys AS bytea[]), "
                "CAST(:headers AS text[]), CAST(:values AS bytea[])) WITH ORDINALITY AS t(key, headers, value, n) "
                "ORDER BY n"
            ),
            {"topic": topic, "keys": keys, "headers": headers, "values": values},
        )


class Relay:
    """Publishes the outbox. One process holds the lease; a holder that froze is harmless when it wakes.

    Harmless, because every relay starts at the least row that no one has seen acknowledged and goes up from
    there: whatever a late one sends again lies below what readers have already marked.
    """

    def __init__(self, database: "Database", producer: Producer, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._producer = producer
        self._tick = tick
        self._holder: UUID = uuid4()
        self._wake = asyncio.Event()
        database.listeners.append(self._wake.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Relays until `stop` is set and the outbox is empty."""
        while True:
            self._tick()
            try:
                sent = await self._round()
            except (BrokerAway, DBAPIError, OSError, TimeoutError) as error:
                log.warning("relay.waits", error=repr(error))
                sent = 0
                if stop.is_set():
                    return
                await _either(stop.wait, POLL_SECONDS)
            if sent == 0:
                if stop.is_set():
                    return
                self._wake.clear()
                await _either(self._wake.wait, POLL_SECONDS)

    def wake(self) -> None:
        """Looks at the outbox now."""
        self._wake.set()

    async def _round(self) -> int:
        if not await self._hold():
            return 0
        async with self._database.engine.connect() as connection:
            rows = (
                await connection.execute(
                    text("SELECT id, topic, key, headers::text, value FROM outbox ORDER BY id LIMIT :limit"),
                    {"limit": RELAY_ROWS},
                )
            ).all()
        metrics.outbox_rows.set(len(rows))
        if not rows:
            return 0
        messages = [
            Message(
                topic=row.topic,
                key=row.key,
                headers=[(name, text_.encode()) for name, text_ in msgspec.json.decode(row.headers).items()],
                value=row.value,
                tag=row.id,
            )
            for row in rows
        ]
        acknowledged = await self._producer.send_in_order(messages)
        if acknowledged:
            async with self._database.engine.begin() as connection:
                await connection.execute(
                    text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": sorted(acknowledged)}
                )
            by_topic: dict[str, int] = defaultdict(int)
            for message in messages:
                by_topic[message.topic] += message.tag in acknowledged
            for topic, count in by_topic.items():
                metrics.relayed.labels(topic).inc(count)
        if len(acknowledged) < len(messages):
            raise BrokerAway(f"{len(messages) - len(acknowledged)} rows not acknowledged")
        return len(rows)

    async def _hold(self) -> bool:
        async with self._database.engine.begin() as connection:
            row = (
                await connection.execute(
                    text(
                        "INSERT INTO leases (name, holder, expires_at) "
                        "VALUES ('relay', :holder, now() + make_interval(secs => :seconds)) "
                        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at "
                        "WHERE leases.holder = excluded.holder OR leases.expires_at < now() RETURNING name"
                    ),
                    {"holder": self._holder, "seconds": LEASE_SECONDS},
                )
            ).first()
        return row is not None


async def _either(wait: Callable[[], Awaitable[object]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait()
    except TimeoutError:
        return
