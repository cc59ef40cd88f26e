"""Keeps for the relay what a broker that keeps nothing has acknowledged, and lets go of what every reader has."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from aiokafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import published
from shared.database.database import DATABASE_AWAY, Database
from shared.database.sql import sql
from shared.kafka.connection import Brokers
from shared.kafka.producer import LogPosition, Producer
from shared.kafka.readers import passed_by_all
from shared.published import LeaseLost, Passed
from shared.service import metrics
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger

SWEEP_SECONDS: Final = 2.0  # readers commit to the broker every 5
LONGEST_SWEEP_SECONDS: Final = 16.0  # while a reader is away

log = get_logger(__name__)


class Keeper:
    """What one relay keeps. While nothing is kept it does nothing.

    `cluster_id` is the cluster that everything is published to, once all that others had is in the outbox again; None
    while there is none.
    """

    def __init__(self, database: Database, producer: Producer, brokers: Brokers, *, alarm_bytes: int) -> None:
        """`producer` prepares clusters (`shared.kafka.pinned`); above `alarm_bytes` the log says so."""
        self.cluster_id: str | None = None
        self._database = database
        self._producer = producer
        self._brokers = brokers
        self._alarm_bytes = alarm_bytes
        self._alarmed = False
        self._topics: set[str] = set()
        self._keeps_something = asyncio.Event()
        self._pause_seconds = SWEEP_SECONDS

    async def prepare(self, holder: UUID) -> str:
        """Returns the cluster to publish to; what another one had is in the outbox then, to be published again.

        Raises `BrokerAway`, `LeaseLost`, or what PostgreSQL raises.
        """
        before, self.cluster_id = self.cluster_id, None
        found = await self._producer.cluster_id()
        if found != before:
            await self._send_again(holder, found)
        self.cluster_id = found
        return found

    def is_current(self) -> bool:
        """Returns whether the cluster that was prepared is still there, as far as can be told without asking."""
        return self.cluster_id is not None and self._producer.pinned_to() == self.cluster_id

    def doubt(self) -> None:
        """Looks at everything again: what was moved last may not be moved, or another relay has kept more."""
        self.cluster_id = None

    async def keep(
        self, holder: UUID, cluster_id: str, topics: set[str], acknowledged: Mapping[int, LogPosition]
    ) -> None:
        """Keeps what that cluster has acknowledged. Raises `LeaseLost`, or what PostgreSQL raises."""
        async with self._database.engine.begin() as connection:
            await published.keep(connection, holder, cluster_id, acknowledged)
        self._topics |= topics
        self._pause_seconds = SWEEP_SECONDS
        self._keeps_something.set()

    async def sweep_for_ever(self, holder: UUID) -> None:
        """Lets go, now and then, of what every reader has. What can't be asked, or done, is tried again."""
        while True:
            await self._keeps_something.wait()
            await asyncio.sleep(self._pause_seconds)
            gone = 0
            try:
                gone = await self._sweep(holder)
            except (LeaseLost, KafkaError, DBAPIError, *DATABASE_AWAY) as error:
                log.info("relay.keeps_all", error=repr(error))
            self._pause_seconds = SWEEP_SECONDS if gone else min(2 * self._pause_seconds, LONGEST_SWEEP_SECONDS)

    async def _send_again(self, holder: UUID, cluster_id: str) -> None:
        rows = 0
        while True:
            async with self._database.engine.begin() as connection:
                moved = await published.send_again(connection, holder, cluster_id)
            rows += moved
            if moved < published.AGAIN_ROWS:
                break
        failpoint("relay.after_again")
        if rows:
            log.warning("relay.publishes_again", cluster=cluster_id, rows=rows)
            metrics.published_again.inc(rows)
        async with self._database.engine.connect() as connection:
            found = await connection.execute(sql("SELECT DISTINCT topic FROM published"))
            self._topics = {row.topic for row in found}
        if self._topics:
            self._keeps_something.set()

    async def _sweep(self, holder: UUID) -> int:
        cluster_id = self.cluster_id
        if cluster_id is None:
            return 0
        async with self._database.engine.begin() as connection:
            below = await published.mark(connection)
        found = await passed_by_all(self._brokers, self._topics, cluster_id=cluster_id)
        passed = [Passed(one.topic, one.partition, offset) for one, offset in found.items()]
        self._keeps_something.clear()
        gone, empty = 0, False
        try:
            async with self._database.engine.begin() as connection:
                gone = await published.forget(connection, holder, cluster_id, passed, below=below)
                empty = await published.is_empty(connection)
                await self._measure(connection)
        finally:
            if not empty:
                self._keeps_something.set()
        failpoint("relay.after_forget")
        return gone

    async def _measure(self, connection: AsyncConnection) -> None:
        kept = await published.kept_bytes(connection)
        metrics.kept_bytes.set(kept)
        full = kept > self._alarm_bytes
        if full and not self._alarmed:
            log.error("relay.keeps_too_much", bytes=kept, limit=self._alarm_bytes, topics=sorted(self._topics))
        self._alarmed = full
