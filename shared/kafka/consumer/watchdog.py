"""What a session's client learns of its partitions, and what follows: how far it lags, and whether it is at fault."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from sqlalchemy.exc import DBAPIError

from shared.database.database import DATABASE_AWAY
from shared.kafka import log as whole_log
from shared.kafka import topics as cluster
from shared.kafka.answers import Answers
from shared.kafka.consumer.acquire import PartitionAcquirer
from shared.kafka.consumer.assignment import Assignment
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.failures import failures_raise
from shared.kafka.producer import BrokerAway
from shared.service import metrics
from shared.service.logging import get_logger

SILENT_LOOKS: Final = 5  # without an answer; a fetch is answered within `fetch_wait_ms`, empty or not

log = get_logger(__name__)


class Stuck(RuntimeError):
    """There is work and nothing is done, though everything that it needs answers."""


class Silent(Exception):
    """The broker answers, and the client that reads from it gets nothing, not even that there is nothing."""


class ClusterChanged(Exception):
    """The broker is another cluster than the one whose offsets are held."""


@dataclass(frozen=True, slots=True)
class _LastReply:
    answered_ms: int | None  # when the last fetch was answered; None before the first
    looks: int = 0  # since then, those at which the loop asked for records


class Watchdog:
    """Looks every `watch_seconds` at who the broker is, whether fetches are answered, and whether work is done.

    aiokafka's fetcher is a task of its own that may end without a word; the last reply then stays as it is, and a
    lag of 0 with it. Nor does a client fetch more while it has records for a loop that does something else, such as
    applying a batch or waiting for PostgreSQL: only looks at which the loop asks for records count.
    """

    def __init__(
        self,
        subscription: Subscription,
        assignment: Assignment,
        acquirer: PartitionAcquirer,
        client: Any,
        *,
        asking: Callable[[], bool],
    ) -> None:
        self._asking = asking
        self._subscription = subscription
        self._assignment = assignment
        self._acquirer = acquirer
        self._client = client
        self._replies: dict[TopicPartition, _LastReply] = {}
        self._answers = Answers()
        self._cluster = cluster.ClusterIdentity(subscription.brokers)
        self._progress_at = subscription.monotonic()

    def lag(self) -> int | None:
        """Records that wait in these partitions, for an operator as well; None while that is not known."""
        return None if self._silent() else self._assignment.lag(self.end)

    def is_connected(self) -> bool:
        """Returns whether every partition that is assigned was acquired and fetched from, also if none is."""
        taken = self._assignment.positions()
        return all(one in taken and self.end(one) is not None for one in self._client.assignment())

    def is_behind(self) -> bool:
        """Returns whether records are known to wait for this process."""
        return self._assignment.is_behind(self.end)

    def end(self, partition: TopicPartition) -> int | None:
        """Returns the end of the log as of the last fetch; None before it, and for a partition that was taken away."""
        high: int | None = self._client.highwater(partition) if partition in self._client.assignment() else None
        return high

    def ends_short(self, partition: TopicPartition, expected: int) -> bool:
        """Returns whether two answers in a row say that the log ends before this offset, up to which it was read."""
        end = self.end(partition)
        if end is None:
            return False
        claim = expected if end < expected else None
        return self._answers.agree(partition, claim, self._client.last_poll_timestamp(partition))

    def progressed(self) -> None:
        """Notes that a batch was applied."""
        self._progress_at = self._subscription.monotonic()

    async def run(self) -> None:
        """Raises what it finds: the session ends, and after `Stuck` the process."""
        with failures_raise():
            while True:
                await asyncio.sleep(self._subscription.watch_seconds)
                await self.check_cluster()
                if not self._assignment.compared:
                    with contextlib.suppress(DBAPIError, *DATABASE_AWAY):
                        await self._acquirer.compare()
                self.listen()
                await self._check_silence()
                await self.check_progress()

    async def close(self) -> None:
        """Lets go of the connection that it asks by."""
        await self._cluster.close()

    async def check_cluster(self) -> None:
        """Raises `ClusterChanged` if another cluster answers."""
        found = await self._cluster.ask()
        if found != self._assignment.cluster_id:
            metrics.cluster_changes.inc()
            raise ClusterChanged(f"{self._assignment.cluster_id} became {found}")

    def listen(self) -> None:
        """Counts, for each partition that is read, the looks since a fetch of it was answered."""
        now: dict[TopicPartition, _LastReply] = {}
        for partition in self._reading():
            before, answered_ms = self._replies.get(partition), self._client.last_poll_timestamp(partition)
            if before is None or before.answered_ms != answered_ms:
                now[partition] = _LastReply(answered_ms)
            else:
                now[partition] = _LastReply(answered_ms, before.looks + self._asking())
        self._replies = now

    def _reading(self) -> list[TopicPartition]:
        assigned = self._client.assignment()
        return [one for one, held in self._assignment.held.items() if not held.stopped and one in assigned]

    def _silent(self) -> list[TopicPartition]:
        return [partition for partition, reply in self._replies.items() if reply.looks >= SILENT_LOOKS]

    async def _check_silence(self) -> None:
        """Raises `Silent` if fetches get no answer and the broker does: for all partitions, or for that one.

        A partition whose leader is away gets none either, and then it is not for the client to be built anew.
        """
        silent = self._silent()
        if not silent:
            return
        if len(silent) < len(self._replies) and not await self._leader_answers(silent):
            return
        names = ", ".join(f"{one.topic}/{one.partition}" for one in silent)
        raise Silent(f"no answer to fetches of {names} for {SILENT_LOOKS * self._subscription.watch_seconds:g} s")

    async def _leader_answers(self, partitions: Sequence[TopicPartition]) -> bool:
        """Whether another client learns from the leaders of these partitions where their logs end."""
        try:
            await whole_log.ends(self._subscription.brokers, partitions)
        except BrokerAway as error:
            log.warning("consumer.leader_away", error=repr(error))
            return False
        return True

    async def check_progress(self) -> None:
        """Raises `Stuck` if records wait, nothing is done, and it is not for PostgreSQL being away.

        PostgreSQL is asked at each look, so that only time in which it answered counts: asked at the end alone, a
        reader would be taken for stuck as soon as PostgreSQL is back, before it could do anything.
        """
        now = self._subscription.monotonic()
        idle = now - self._progress_at
        if self.is_behind() and idle < self._subscription.watch_seconds:
            return
        if not self.is_behind() or not await self._database_answers():
            self._progress_at = now
        elif idle > self._subscription.stuck_seconds:
            raise Stuck(f"lag {self._assignment.lag(self.end)} and no progress for {idle:.0f} s")

    async def _database_answers(self) -> bool:
        try:
            await self._subscription.database.ping()
        except (DBAPIError, *DATABASE_AWAY):
            return False
        return True
