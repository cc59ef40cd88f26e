"""One client's session: reading partitions and applying their batches, from when it has started to its failure."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from sqlalchemy.exc import DBAPIError

from shared.database.database import DATABASE_AWAY, Work
from shared.errors import TryAgain
from shared.kafka import unreadable
from shared.kafka.consumer import offsets, rewinds
from shared.kafka.consumer.acquire import PartitionAcquirer
from shared.kafka.consumer.assignment import Assignment
from shared.kafka.consumer.batch import Applier, Batches, BreakerOpened, OwnedPartition, PartitionLost
from shared.kafka.consumer.offsets import Place
from shared.kafka.consumer.pace import Pace
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.consumer.together import apply_together
from shared.kafka.consumer.watchdog import Watchdog
from shared.kafka.dead_letters import breaker
from shared.kafka.dead_letters.dead_letter import Record
from shared.kafka.failures import failures_raise
from shared.kafka.producer import BrokerAway
from shared.service import metrics
from shared.service.clock import wall_milliseconds
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger

COMMIT_SECONDS: Final = 5  # Kafka's own copy of the offsets, for lag tools and to see when the database was rewound
BATCH_SECONDS: Final = 60
END_SECONDS: Final = 1  # how long a leader may take to know its log's end; the loop waits, and looks again

log = get_logger(__name__)

_Group = dict[TopicPartition, tuple[OwnedPartition, Sequence[Record]]]


class Session:
    """Reads with one client that has started, until it fails or is told to stop.

    `in_hand` is held while records are in hand: partitions are not let go meanwhile.
    """

    def __init__(
        self,
        subscription: Subscription,
        assignment: Assignment,
        applier: Applier,
        client: Any,
        *,
        in_hand: asyncio.Lock,
        tick: Callable[[], None],
    ) -> None:
        self.client = client
        self._subscription = subscription
        self._assignment = assignment
        self._in_hand = in_hand
        self._tick = tick
        self._acquirer = PartitionAcquirer(subscription, assignment, client)
        self.watch = Watchdog(subscription, assignment, self._acquirer, client, asking=lambda: self._asking)
        self._applier = applier
        self._asking = False
        self._pace = Pace(
            client,
            wait_ms=subscription.fetch_wait_ms,
            busy_wait_ms=subscription.fetch_wait_while_busy_ms,
            idle_seconds=subscription.idle_seconds,
            now=asyncio.get_running_loop().time,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Raises what ended it before `stop` was set, in a group."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self.watch.run())
                with failures_raise():
                    await self._loop(stop)
                watching.cancel()
        finally:
            await self.watch.close()
        await self._commit()
        failpoint("consumer.before_leave")

    async def _loop(self, stop: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        noted = committed = now()
        while not stop.is_set():
            self._tick()
            if await self._acquirer.acquire_missing():
                await self._commit()  # what was reported once is not reported again by the next owner of a partition
            try:
                batches = await self._ask()
            except NoOffsetForPartitionError as error:
                # The client looked for a position before ours was set: take that partition again.
                self._assignment.drop(error.args[0])
                continue
            except UnicodeDecodeError:
                await self._step_over_unreadable()
                continue
            except OffsetOutOfRangeError as error:
                await self.watch.check_cluster()  # in another cluster's log no position means anything
                await self._acquirer.out_of_range(error.args[0])
                continue
            if batches:
                await self._apply_all(batches)
            if now() - noted > self._pace.note_seconds:
                noted = now()
                await self._note_caught_up()
            if now() - committed > COMMIT_SECONDS:
                committed = now()
                await self._commit()

    async def _ask(self) -> Mapping[TopicPartition, Sequence[Any]]:
        self._asking = True
        try:
            found: Mapping[TopicPartition, Sequence[Any]] = await self.client.getmany(
                timeout_ms=self._pace.poll_ms, max_records=self._subscription.batch_records
            )
        finally:
            self._asking = False
        self._pace.looked(came=bool(found))
        return found

    async def _step_over_unreadable(self) -> None:
        """Reads each partition alone, past a record that the client can't read if it has one among the next."""

        def next_offset(partition: TopicPartition, one: OwnedPartition) -> int | None:
            here = self._assignment.held.get(partition) is one and not one.stopped
            return one.expected if here else None

        for partition, one in list(self._assignment.held.items()):
            steps = unreadable.step_over(self.client, partition, partial(next_offset, partition, one))
            async with contextlib.aclosing(steps):
                async for records in steps:
                    await self._apply_all({partition: records})

    async def _apply_all(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        async with self._in_hand, asyncio.TaskGroup() as tasks:
            for group in self._grouped(batches):
                tasks.create_task(self._process_group(group))

    def _grouped(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> Iterator[_Group]:
        """Yields batches that are applied in one transaction: small ones of one topic, if the handlers allow that."""
        most = self._subscription.together_records if isinstance(self._applier, Batches) else 0
        groups: dict[str, _Group] = {}
        for partition, records in batches.items():
            held = self._assignment.held.get(partition)
            if held is None or held.stopped:
                continue
            batch = [
                Record(r.offset, r.key, r.headers, r.value, r.timestamp) for r in records if r.offset >= held.expected
            ]
            if not batch:
                continue
            group = groups.get(partition.topic, {})
            if group and len(batch) + sum(len(others) for _, others in group.values()) > most:
                yield group
                group = {}
            group[partition] = (held, batch)
            groups[partition.topic] = group
        yield from groups.values()

    async def _process_group(self, group: _Group) -> None:
        if len(group) > 1 and await self._process_together(group):
            return
        async with asyncio.TaskGroup() as tasks:
            for partition, (held, batch) in group.items():
                if self._assignment.held.get(partition) is held:
                    tasks.create_task(self._process(partition, held, batch))

    async def _process_together(self, group: _Group) -> bool:
        """Several batches of one topic in one transaction. Returns False if each is to be applied alone."""
        assert isinstance(self._applier, Batches)
        topic = next(iter(group)).topic
        try:
            with failures_raise():
                async with asyncio.timeout(BATCH_SECONDS):
                    with metrics.batch_seconds.labels(topic).time():
                        if not await apply_together(self._applier, list(group.values())):
                            return False
        except (TryAgain, BrokerAway, KafkaError, DBAPIError, *DATABASE_AWAY) as error:
            for partition in group:
                self._give_up(partition, error)
            return True
        for partition in group:
            self._assignment.applied(partition)
        self.watch.progressed()
        return True

    async def _process(self, partition: TopicPartition, held: OwnedPartition, batch: Sequence[Record]) -> None:
        """A batch: one partition, one transaction."""
        try:
            with failures_raise():  # a task that ended as cancelled would leave its records behind, with nobody to tell
                async with asyncio.timeout(BATCH_SECONDS):
                    with metrics.batch_seconds.labels(partition.topic).time():
                        stopped = await self._apply(held, batch)
        except (PartitionLost, TryAgain, BrokerAway, KafkaError, DBAPIError, *DATABASE_AWAY) as error:
            self._give_up(partition, error)
            return
        self._assignment.applied(partition)
        self.watch.progressed()
        if stopped is not None:
            self._acquirer.stop(partition, held, stopped)

    def _give_up(self, partition: TopicPartition, error: Exception) -> None:
        """Lets a partition go after a failure.

        Whether the transaction committed may be unknown: only the row knows. The loop takes the partition again, if it
        is still assigned, and reads on from there.
        """
        if isinstance(error, PartitionLost):
            metrics.partitions_lost.labels(partition.topic).inc()
            log.warning("consumer.partition_lost", topic=partition.topic, partition=partition.partition)
        pause = self._assignment.give_up(partition, now=asyncio.get_running_loop().time())
        log.warning("consumer.batch_given_up", partition=str(partition), error=repr(error), pause_seconds=pause)

    async def _apply(self, held: OwnedPartition, batch: Sequence[Record]) -> str | None:
        """Applies a batch; why its partition stops here, if it does."""
        try:
            return await self._applier.apply(held, batch)
        except BreakerOpened as error:
            failpoint("consumer.before_stop")
            async with self._subscription.database.work() as work:
                await offsets.stop(work.connection, held.place, epoch=held.epoch, reason=str(error))
            failpoint("consumer.after_stop")
            return str(error)

    async def _note_caught_up(self) -> None:
        """Writes how far each partition has been read: to its last poll where nothing waits."""
        for partition, waiting in self._assignment.waiting(self.watch.end).items():
            if waiting is not None:
                metrics.consumer_lag.labels(partition.topic, partition.partition).set(waiting)
        moments, short = self._caught_up()
        if short:
            await self._stop_too_short(short)
        try:
            async with self._subscription.database.work() as work:
                behind = [held for held in self._assignment.held.values() if held.stored < held.expected]
                lost = [held for held in behind if not await self._store(work, held)]
                if moments:
                    await offsets.note_caught_up(work.connection, moments)
        except (DBAPIError, *DATABASE_AWAY) as error:
            log.warning("consumer.waits_for_postgresql", error=repr(error))
            return
        failpoint("consumer.after_note")
        for held in behind:
            held.stored = held.expected
        for held in lost:
            log.warning("consumer.partition_lost", topic=held.place.topic, partition=held.place.partition)
            self._assignment.drop(TopicPartition(held.place.topic, held.place.partition))

    def _caught_up(self) -> tuple[list[tuple[Place, int, datetime]], list[TopicPartition]]:
        """The moment up to which each partition has been read, with its epoch; and those whose log seems too short."""
        now, wall_ms = self._subscription.clock.now(), wall_milliseconds()
        moments: list[tuple[Place, int, datetime]] = []
        short: list[TopicPartition] = []
        for partition, held in self._assignment.held.items():
            if held.stopped or (end := self.watch.end(partition)) is None:
                continue
            if self.watch.ends_short(partition, held.expected):
                short.append(partition)
            if end == held.expected:
                silent_ms = max(0, wall_ms - self.client.last_poll_timestamp(partition))
                moments.append((held.place, held.epoch, now - timedelta(milliseconds=silent_ms)))
            elif end > held.expected and held.last_record_at is not None:
                moments.append((held.place, held.epoch, min(now, held.last_record_at)))
        return moments, short

    async def _stop_too_short(self, suspects: Sequence[TopicPartition]) -> None:
        """Stops those of the suspects whose log really ends before what was read of it.

        A leader that has just become one tells fetches a high-water mark from before; asked for the log's end it
        gives no answer until it knows it (KIP-207), and then nothing is decided in this round.
        """
        await self.watch.check_cluster()  # one that came back empty and has not been noticed yet is no shorter log
        try:
            async with asyncio.timeout(END_SECONDS):
                ends = await self.client.end_offsets(suspects)
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            log.warning("consumer.end_not_known", error=repr(error))
            return
        for partition in suspects:
            held = self._assignment.held.get(partition)
            if held is not None and ends[partition] < held.expected:
                self._acquirer.stop_too_short(partition, held)

    async def _store(self, work: Work, held: OwnedPartition) -> bool:
        """Moves the stored offset over records that were passed over; False if another holder has the partition."""
        passed = await offsets.swap(
            work.connection,
            held.place,
            epoch=held.epoch,
            expected=held.stored,
            new=held.expected,
            records=0,
            window=breaker.WINDOW,
        )
        return passed is not None

    async def _commit(self) -> None:
        """Copies to Kafka what the database has stored, and no more; never over what was not compared with it yet."""
        mark = rewinds.mark(self._assignment.cluster_id, self._subscription.generation)
        positions = {partition: (held.stored, mark) for partition, held in self._assignment.held.items()}
        if positions and self._assignment.compared:
            with contextlib.suppress(KafkaError, IllegalStateError, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self.client.commit(positions)
                    failpoint("consumer.after_kafka_commit")
