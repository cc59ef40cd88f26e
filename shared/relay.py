"""The relay: publishes the outbox.

Guarantee: at least once, and in order for each key and for each (origin) lane whose rows were written one
transaction after the other. How: rows are sent in the order of their ids, one batch of a partition at a time, and
deleted only when the broker has acknowledged them; a batch whose fate is unknown is sent again before anything
behind it. What a broker that keeps nothing has acknowledged is not deleted but kept (`shared.keeper`). Rows are never
found by `id > cursor`, because ids commit out of order.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.exc import DBAPIError

from shared.contracts.wire import Message
from shared.database.database import DATABASE_AWAY, Database
from shared.database.sql import sql
from shared.kafka.producer import BrokerAway, LogPosition, Producer
from shared.keeper import Keeper
from shared.published import LeaseLost
from shared.service import metrics
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger
from shared.service.loops import Idleness, until_set

RELAY_ROWS: Final = 4000  # rows read at a time
LEASE_SECONDS: Final = 5
POLL_SECONDS: Final = 0.5  # when another process writes the rows, no wake-up reaches this one
IDLE_POLL_SECONDS: Final = 2.0  # once nothing has lain there for a while, and nobody waits but tools by hand

log = get_logger(__name__)


class Relay:
    """Publishes the outbox. One process holds the lease; a holder that froze is harmless when it wakes.

    Harmless, because every relay starts at the least row that no one has seen acknowledged and goes up from
    there: whatever a late one sends again lies below what readers have already marked.
    """

    def __init__(
        self,
        database: Database,
        producer: Producer,
        *,
        tick: Callable[[], None],
        keeper: Keeper | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keeper` is given for a broker that keeps nothing; by the clock `now`, in seconds, it knows itself idle."""
        self.keeper = keeper
        self._database = database
        self._producer = producer
        self._tick = tick
        self._holder: UUID = uuid4()
        self._wake = asyncio.Event()
        self._renew_at = float("-inf")
        self._found_nothing = False  # at the last look: a cheaper one is made first
        self._well = False
        self._idleness = Idleness(now=now)
        self._idle_poll_seconds = POLL_SECONDS
        database.listeners.append(self._wake.set)

    async def run(self, stop: asyncio.Event, *, writers_here: bool = False) -> None:
        """Relays until `stop` is set and the outbox is empty; then lets go of the lease, for a successor.

        `writers_here` says that every process that writes to the outbox relays, too, as this one does, so that its own
        relay is woken by what it writes: then looking without being woken can wait while idle. Nobody holds the lease
        then, so that whoever is woken gets it.
        """
        self._idle_poll_seconds = IDLE_POLL_SECONDS if writers_here else POLL_SECONDS
        if self.keeper is None:
            await self._relay_until(stop)
        else:
            async with asyncio.TaskGroup() as tasks:
                sweeping = tasks.create_task(self.keeper.sweep_for_ever(self._holder))
                await self._relay_until(stop)
                sweeping.cancel()
        failpoint("relay.before_release")
        with contextlib.suppress(DBAPIError, *DATABASE_AWAY):
            async with self._database.engine.begin() as connection:
                await connection.execute(
                    sql("DELETE FROM leases WHERE name = 'relay' AND holder = :holder"), {"holder": self._holder}
                )

    async def _relay_until(self, stop: asyncio.Event) -> None:
        while True:
            self._tick()
            self._wake.clear()
            try:
                more = await self._round()
                self._well = True
                self._idleness.looked(found=not self._found_nothing)
            except (BrokerAway, LeaseLost, DBAPIError, *DATABASE_AWAY) as error:
                self._well = False
                log.warning("relay.waits", error=repr(error))
                if self.keeper is not None and not isinstance(error, BrokerAway):
                    self.keeper.doubt()
                if stop.is_set():
                    return
                await until_set(stop, seconds=POLL_SECONDS)
                continue
            if not more:
                if stop.is_set() and not self._wake.is_set():
                    return
                seconds = self._idle_poll_seconds if self._idleness.idle else POLL_SECONDS
                await until_set(self._wake, seconds=seconds)

    def is_well(self) -> bool:
        """Returns whether the last look at the outbox succeeded, and what lay there was published."""
        return self._well

    def wake(self) -> None:
        """Looks at the outbox now."""
        self._wake.set()

    async def _round(self) -> bool:
        """Relays what lies there; whether there may be more."""
        if self._found_nothing and self._has_followed() and not await self._is_any():
            return False  # who has nothing to relay, and nothing kept, needs no lease
        if not await self._hold():
            return False
        cluster_id = "" if self.keeper is None else await self.keeper.prepare(self._holder)
        async with self._database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            rows = (
                await connection.execute(
                    sql("SELECT id, topic, key, headers::text, value FROM outbox ORDER BY id LIMIT :limit"),
                    {"limit": RELAY_ROWS},
                )
            ).all()
        metrics.outbox_rows.set(len(rows))
        self._found_nothing = not rows
        if not rows:
            return False
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
        acknowledged = await self._producer.send_in_order(messages, cluster_id=cluster_id)
        failpoint("relay.after_send")
        if acknowledged:
            if self.keeper is None:
                await self._delete(acknowledged)
            else:
                names = {message.topic for message in messages}
                await self.keeper.keep(self._holder, cluster_id, names, acknowledged)
            failpoint("relay.after_delete")
            by_topic: dict[str, int] = defaultdict(int)
            for message in messages:
                by_topic[message.topic] += message.tag in acknowledged
            for topic, count in by_topic.items():
                metrics.relayed.labels(topic).inc(count)
        if len(acknowledged) < len(messages):
            raise BrokerAway(f"{len(messages) - len(acknowledged)} rows not acknowledged")
        return len(rows) == RELAY_ROWS

    async def _delete(self, acknowledged: Mapping[int, LogPosition]) -> None:
        async with self._database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(
                sql("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": sorted(acknowledged)}
            )

    def _has_followed(self) -> bool:
        """Whether the broker is not known to have been replaced by one that lacks what it had."""
        return self.keeper is None or self.keeper.is_current()

    async def _is_any(self) -> bool:
        async with self._database.statement() as work:
            # What is kept is let go under the lease.
            row = await work.row(
                "SELECT EXISTS (SELECT FROM outbox) AS found"
                if self.keeper is None
                else "SELECT EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM published) AS found"
            )
            return row is not None and row.found

    async def _hold(self) -> bool:
        """Whether this relay has the lease, which it renews at half time."""
        now = asyncio.get_running_loop().time()
        if now < self._renew_at:
            return True
        async with self._database.engine.begin() as connection:
            row = (
                await connection.execute(
                    sql(
                        "INSERT INTO leases (name, holder, expires_at) "
                        "VALUES ('relay', :holder, now() + make_interval(secs => :seconds)) "
                        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at "
                        "WHERE leases.holder = excluded.holder OR leases.expires_at < now() RETURNING name"
                    ),
                    {"holder": self._holder, "seconds": LEASE_SECONDS},
                )
            ).first()
        if row is None:
            return False
        failpoint("relay.after_lease")
        if self.keeper is not None and now > self._renew_at + LEASE_SECONDS / 2:
            self.keeper.doubt()  # it had lapsed: another relay may have had it since
        self._renew_at = now + LEASE_SECONDS / 2
        return True
