"""The consumer of a process: one session after the other, until it is told to stop."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts import topics
from shared.database.database import DATABASE_AWAY, Work
from shared.kafka import topics as cluster
from shared.kafka.connection import client_options
from shared.kafka.consumer import offsets
from shared.kafka.consumer.assignment import Assignment, pause_seconds
from shared.kafka.consumer.batch import Applier
from shared.kafka.consumer.session import Session
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.consumer.watchdog import ClusterChanged, Silent
from shared.kafka.failures import failures_raise
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger
from shared.service.loops import until_set

HEARTBEATS_PER_SESSION: Final = 6
METADATA_SECONDS: Final = 10
SOUND_SECONDS: Final = 120  # a session that lasted so long owes nothing to the failures before it
CLOSE_SECONDS: Final = 5

log = get_logger(__name__)


class Consumer:
    """Reads topics and applies their events through the subscription's handlers.

    Guarantees: each event is applied exactly once to this database, in its partition's order; an event without a
    handler is passed over; one that can't be decoded or is deterministically refused goes to the dead letters
    before the offset moves; while PostgreSQL or the broker is away, nothing is lost and nothing moves.
    """

    def __init__(self, subscription: Subscription, *, tick: Callable[[], None]) -> None:
        self.subscription = subscription
        self.assignment = Assignment()
        self.session: Session | None = None
        self.applier: Applier = subscription.batches()
        self._tick = tick

    async def run(self, stop: asyncio.Event) -> None:
        """Consumes until `stop` is set, building the client anew after every failure of the broker."""
        failures = 0
        while not stop.is_set():
            self._tick()
            started = asyncio.get_running_loop().time()
            try:
                await self._read(stop)
            except* (KafkaError, ClusterChanged, Silent, *DATABASE_AWAY) as group:
                log.warning("consumer.rebuilds", errors=[repr(error) for error in group.exceptions])
            if stop.is_set():
                return
            failures = 0 if asyncio.get_running_loop().time() - started > SOUND_SECONDS else failures + 1
            await until_set(stop, seconds=pause_seconds(max(1, failures)))

    @property
    def cluster_id(self) -> str | None:
        """Whose log is read; None before a broker has answered."""
        return self.assignment.cluster_id or None

    def lag(self) -> int | None:
        """Records that wait in this process's partitions, for an operator as well; None while that is not known."""
        return self.session.watch.lag() if self.session is not None else None

    def is_connected(self) -> bool:
        """Returns whether this process reads what is assigned to it.

        It is true also if there are more processes than partitions.
        """
        return self.session is not None and self.session.watch.is_connected()

    def is_behind(self) -> bool:
        """Returns whether records are known to wait for this process.

        Records of a stopped partition wait for an operator.
        """
        return self.session is not None and self.session.watch.is_behind()

    def stopped(self) -> list[str]:
        """Returns the partitions that wait for an operator, each with its reason."""
        return self.assignment.stopped()

    def stopped_partitions(self) -> list[str]:
        """Returns the partitions that wait for an operator, by name alone."""
        return self.assignment.stopped_partitions()

    def failing(self) -> list[str]:
        """Returns the partitions whose batches fail again and again, each with how often."""
        return self.assignment.failing()

    async def read_until(self, work: Work) -> datetime | None:
        """Returns how far timers may run: the moment up to which every partition has been read.

        Returns None if it is not known yet.
        """
        if not self.assignment.cluster_id:
            return None
        return await offsets.caught_up_to(
            work.connection,
            cluster_id=self.assignment.cluster_id,
            generation=self.subscription.generation,
            partitions=len(self.subscription.topics) * topics.PARTITIONS,
        )

    async def _read(self, stop: asyncio.Event) -> None:
        """One session: from connecting to its end."""
        await self._meet_cluster()
        subscription, in_hand = self.subscription, asyncio.Lock()
        client = AIOKafkaConsumer(
            **client_options(subscription.brokers),
            client_id=f"rapport-{subscription.service}",
            group_id=subscription.group_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=subscription.fetch_wait_while_busy_ms,
            session_timeout_ms=subscription.session_timeout_ms,
            heartbeat_interval_ms=subscription.session_timeout_ms // HEARTBEATS_PER_SESSION,
            metadata_max_age_ms=METADATA_SECONDS * 1000,
        )
        client.subscribe(topics=list(subscription.topics), listener=_Listener(self.assignment, in_hand))
        try:
            if not await _started(client, stop):
                return
            self.session = Session(
                subscription, self.assignment, self.applier, client, in_hand=in_hand, tick=self._tick
            )
            await self.session.run(stop)
        finally:
            self.session = None
            self.assignment.clear()
            with contextlib.suppress(KafkaError, OSError, TimeoutError), failures_raise():
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.stop()

    async def _meet_cluster(self) -> None:
        async with cluster.admin(self.subscription.brokers) as admin:
            self.assignment.cluster_id = await cluster.cluster_id(admin)
            names = [*self.subscription.topics, topics.dead_letters(self.subscription.service)]
            await cluster.ensure(admin, names, replication=self.subscription.replication)
        failpoint("consumer.after_topics")


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Waits for the round in progress before partitions go; they are taken by the loop, not here."""

    def __init__(self, assignment: Assignment, in_hand: asyncio.Lock) -> None:
        self._assignment = assignment
        self._in_hand = in_hand

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        async with self._in_hand:
            self._assignment.revoke(revoked)
        if revoked:
            log.info("consumer.revoked", partitions=_names(revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        log.info("consumer.assigned", partitions=_names(assigned))


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return sorted(f"{one.topic}/{one.partition}" for one in partitions)


async def _started(client: Any, stop: asyncio.Event) -> bool:
    """Starts the client; False if it was told to stop first: joining a group can take as long as a session."""
    async with asyncio.TaskGroup() as tasks:
        starting, stopping = tasks.create_task(client.start()), tasks.create_task(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        stopping.cancel()
    if starting.cancelled() and not stop.is_set():
        raise KafkaError("the client cancelled its caller")
    return not starting.cancelled()
