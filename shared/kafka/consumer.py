"""The consumer runtime: exactly-once effect on PostgreSQL from an at-least-once log.

One partition's batch is one transaction: swap the offset, apply the events, write the outbox, commit. See
`docs/decisions/0003-consumer-runtime.md` for what happens at each failure.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from sqlalchemy.exc import DBAPIError

from shared import metrics
from shared.clock import Clock, wall_milliseconds
from shared.contracts import topics, wire
from shared.db import DATABASE_AWAY, Database, Work
from shared.errors import TryAgain
from shared.failpoints import failpoint
from shared.kafka import dead_letters, offsets, rewinds
from shared.kafka import topics as cluster
from shared.kafka.batch import Batches, BreakerOpened, Handlers, Held, PartitionLost
from shared.kafka.dead_letters import Record
from shared.kafka.failures import failures_raise
from shared.kafka.offsets import Place
from shared.kafka.producer import BrokerAway, Producer
from shared.kafka.rewinds import OnRewound
from shared.logging import get_logger

POLL_MILLISECONDS: Final = 200
HEARTBEATS_PER_SESSION: Final = 6
WATCH_SECONDS: Final = 2  # a broker that comes back as another cluster must be seen within 10 s
NOTE_SECONDS: Final = 0.5  # how often "caught up to" is written; timers are late by this much at most
COMMIT_SECONDS: Final = 5  # Kafka's own copy of the offsets, for lag tools and to see when the database was rewound
BACKOFF_SECONDS: Final = (0.1, 0.3, 1.0, 2.0, 5.0)
BATCH_SECONDS: Final = 60
STUCK_SECONDS: Final = 120  # lag and no progress while PostgreSQL and the broker answer
SILENT_SECONDS: Final = 10  # a fetch is answered within `fetch_wait_ms`, with records or without
END_SECONDS: Final = 1  # how long a leader may take to know its log's end; the loop waits, and looks again
CLOSE_SECONDS: Final = 5

log = get_logger(__name__)


class Stuck(RuntimeError):
    """There is work and nothing is done, though everything that it needs answers."""


class _Silent(Exception):
    """The broker answers, and the client that reads from it gets nothing, not even that there is nothing."""


class _ClusterChanged(Exception):
    """The broker is another cluster than the one whose offsets are held."""


@dataclass(slots=True)
class Consumer:
    """Reads topics and applies their events through `handlers`.

    Guarantees: each event is applied exactly once to this database, in its partition's order; an event without a
    handler is passed over; one that can't be decoded or is deterministically refused goes to the dead letters
    before the offset moves; while PostgreSQL or the broker is away, nothing is lost and nothing moves.

    Before it takes partitions it compares the database with what Kafka knows that it had stored. If the database
    was rewound, `on_rewound` is committed before any event is applied; where it can't be told, a consumer that has
    one takes no partition, any other reads on. `compared` says that it was told since a partition was last taken.
    `swaps` is False only in the test that shows what the swap is for; `decode` reads a topic that is not of the bus.
    """

    service: str
    bootstrap: str
    database: Database
    producer: Producer
    clock: Clock
    topics: Sequence[str]
    handlers: Handlers
    tick: Callable[[], None]
    generation: int = 1
    replication: int = 1
    batch_records: int = 1000
    fetch_wait_ms: int = 500
    session_timeout_ms: int = 6_000
    stuck_seconds: float = STUCK_SECONDS
    group: str = ""
    swaps: bool = True
    decode: wire.Decode = wire.decode
    on_rewound: OnRewound | None = None
    compared: bool = False
    held: dict[TopicPartition, Held] = field(default_factory=dict)
    cluster_id: str | None = None
    _left: dict[TopicPartition, int] = field(default_factory=dict)  # given up for a while: the next offset to read
    _failures: dict[TopicPartition, int] = field(default_factory=dict)
    _not_before: dict[TopicPartition, float] = field(default_factory=dict)
    _doubted: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)  # see `_ends_short`
    _batches: Batches = field(init=False)
    _client: Any = None
    _round: asyncio.Lock = field(default_factory=asyncio.Lock)
    _progress_at: float = 0.0  # when a batch was last applied, or none could have been
    _busy_at: float = 0.0  # when partitions were last taken or records last processed

    def __post_init__(self) -> None:
        self._batches = Batches(self.service, self.database, self.producer, self.handlers, self.swaps, self.decode)

    async def run(self, stop: asyncio.Event) -> None:
        """Consumes until `stop` is set, building the client anew after every failure of the broker."""
        failures = 0
        while not stop.is_set():
            self.tick()
            started = asyncio.get_running_loop().time()
            try:
                await self._session(stop)
            except* (KafkaError, _ClusterChanged, _Silent, *DATABASE_AWAY) as group:
                log.warning("consumer.rebuilds", errors=[repr(error) for error in group.exceptions])
            if stop.is_set():
                return
            failures = 0 if asyncio.get_running_loop().time() - started > STUCK_SECONDS else failures + 1
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] if failures else 0.1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    def lag(self) -> int | None:
        """Records that wait in this process's partitions, for an operator as well; None while that is not known."""
        positions = self._positions()
        if self._client is None or not positions:
            return None
        waiting = [self._waiting(partition, position) for partition, position in positions.items()]
        known = [records for records in waiting if records is not None]
        return sum(known) if len(known) == len(waiting) else None

    def _positions(self) -> dict[TopicPartition, int]:
        """The next offset of each partition, those among them that are given up for a while."""
        assigned = self._client.assignment() if self._client is not None else ()
        left = {partition: expected for partition, expected in self._left.items() if partition in assigned}
        return left | {partition: held.expected for partition, held in self.held.items()}

    def _waiting(self, partition: TopicPartition, position: int) -> int | None:
        high = _high_water(self._client, partition)
        return None if high is None else max(0, high - position)

    def stopped(self) -> list[str]:
        """The partitions that wait for an operator, each with its reason."""
        return sorted(
            f"{held.place.topic}/{held.place.partition}: {held.stopped}" for held in self.held.values() if held.stopped
        )

    def is_behind(self) -> bool:
        """Whether records wait for this process. Those of a stopped partition wait for an operator."""
        stopped = {partition for partition, held in self.held.items() if held.stopped}
        return any(
            self._waiting(partition, position)
            for partition, position in self._positions().items()
            if partition not in stopped
        )

    async def read_until(self, work: Work) -> datetime | None:
        """How far timers may run: the moment up to which every partition has been read. None if not known yet."""
        if self.cluster_id is None:
            return None
        return await offsets.caught_up_to(
            work.connection,
            cluster_id=self.cluster_id,
            generation=self.generation,
            partitions=len(self.topics) * topics.PARTITIONS,
        )

    # The session: one client, from connect to failure

    async def _session(self, stop: asyncio.Event) -> None:
        async with cluster.admin(self.bootstrap) as admin:
            self.cluster_id = await cluster.cluster_id(admin)
            await cluster.ensure(admin, [*self.topics, topics.dead_letters(self.service)], replication=self.replication)
        failpoint("consumer.after_topics")
        client = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            client_id=f"rapport-{self.service}",
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=self.fetch_wait_ms,
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.session_timeout_ms // HEARTBEATS_PER_SESSION,
            metadata_max_age_ms=10_000,
        )
        client.subscribe(topics=list(self.topics), listener=_Listener(self))
        try:
            if not await _started(client, stop):
                return
            self._client = client
            self._progress_at = self._busy_at = asyncio.get_running_loop().time()
            async with asyncio.TaskGroup() as tasks:
                watcher = tasks.create_task(self._watch())
                with failures_raise():
                    await self._loop(client, stop)
                watcher.cancel()
            await self._commit(client)
            failpoint("consumer.before_leave")
        finally:
            self._client = None
            self.held.clear()
            self._left.clear()
            with contextlib.suppress(KafkaError, OSError, TimeoutError), failures_raise():
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.stop()

    async def _watch(self) -> None:
        """Asks the broker who it is; an answer from another cluster ends the session, and so does a silent client."""
        with failures_raise():
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                await self._check_cluster()
                if not self.compared:
                    with contextlib.suppress(DBAPIError, *DATABASE_AWAY):
                        await self._compare()
                if (silent := self._silent_seconds()) > SILENT_SECONDS:
                    raise _Silent(f"no answer to a fetch for {silent:.0f} s")
                await self._check_progress()

    async def _check_progress(self) -> None:
        """Raises `Stuck` if records wait, nothing is done, and it is not for PostgreSQL being away."""
        now = asyncio.get_running_loop().time()
        if not self.is_behind():
            self._progress_at = now
        elif now - self._progress_at > self.stuck_seconds:
            try:
                await self.database.ping()
            except (DBAPIError, *DATABASE_AWAY):
                self._progress_at = now
            else:
                raise Stuck(f"lag {self.lag()} and no progress for {now - self._progress_at:.0f} s")

    def _silent_seconds(self) -> float:
        """Since when the client's fetches got no answer, 0 while there is nothing to fetch.

        aiokafka's fetcher is a task of its own that may end without a word; what was last heard then stays as it is,
        and a lag of 0 with it.
        """
        if self._round.locked():
            return 0.0
        assigned = self._client.assignment()
        reading = [partition for partition, held in self.held.items() if not held.stopped and partition in assigned]
        if not reading:
            return 0.0
        polled_ms = max(self._client.last_poll_timestamp(partition) or 0 for partition in reading)
        idle = asyncio.get_running_loop().time() - self._busy_at
        return min(idle, (wall_milliseconds() - polled_ms) / 1000)

    async def _check_cluster(self) -> None:
        async with cluster.admin(self.bootstrap) as admin:
            found = await cluster.cluster_id(admin)
        if found != self.cluster_id:
            metrics.cluster_changes.inc()
            raise _ClusterChanged(f"{self.cluster_id} became {found}")

    async def _loop(self, client: Any, stop: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        noted = committed = now()
        while not stop.is_set():
            self.tick()
            await self._take_missing(client)
            try:
                batches = await client.getmany(timeout_ms=POLL_MILLISECONDS, max_records=self.batch_records)
            except NoOffsetForPartitionError as error:
                # The client looked for a position before ours was set: take that partition again.
                self.held.pop(error.args[0], None)
                continue
            except OffsetOutOfRangeError as error:
                await self._out_of_range(client, error.args[0])
                continue
            async with self._round, asyncio.TaskGroup() as tasks:
                for partition, records in batches.items():
                    tasks.create_task(self._process(client, partition, records))
            if batches:
                self._busy_at = now()
            if now() - noted > NOTE_SECONDS:
                noted = now()
                await self._note_caught_up(client)
            if now() - committed > COMMIT_SECONDS:
                committed = now()
                await self._commit(client)

    async def _take_missing(self, client: Any) -> None:
        assigned = client.assignment()
        for partition in [p for p in self.held if p not in assigned]:
            self.held.pop(partition)
        now = asyncio.get_running_loop().time()
        missing = [p for p in assigned if p not in self.held and self._not_before.get(p, 0) <= now]
        if not missing:
            return
        beginnings = await client.beginning_offsets(missing)
        self.compared = False
        try:
            rewound = await self._compare()
        except (DBAPIError, *DATABASE_AWAY) as error:
            log.warning("consumer.waits_for_postgresql", error=repr(error))
            await asyncio.sleep(BACKOFF_SECONDS[2])
            return
        if not self.compared and self.on_rewound is not None:
            # What is applied now would soon hide what was lost: the offsets would have caught up.
            self._not_before |= dict.fromkeys(missing, now + BACKOFF_SECONDS[2])
            return
        for partition in missing:
            place = self._place(*partition)
            try:
                async with self.database.work() as work:
                    taken = await offsets.take(work.connection, place, beginning=beginnings[partition])
            except (DBAPIError, *DATABASE_AWAY) as error:
                log.warning("consumer.waits_for_postgresql", error=repr(error))
                await asyncio.sleep(BACKOFF_SECONDS[2])
                return
            failpoint("consumer.after_take")
            held = Held(place, taken.epoch, taken.next_offset, taken.next_offset, taken.stopped)
            if taken.next_offset < beginnings[partition]:
                held.stopped = _gone(taken.next_offset, beginnings[partition])
            try:
                # A stopped one gets a position, too: without, the client would ask for it again and again.
                client.seek(partition, beginnings[partition] if held.stopped else taken.next_offset)
                if held.stopped:
                    self._stop_partition(client, partition, held, held.stopped)
            except IllegalStateError:
                continue  # revoked meanwhile
            self.held[partition] = held
            self._left.pop(partition, None)
        self._busy_at = asyncio.get_running_loop().time()
        if rewound:
            await self._commit(client)  # what was said once is not said again by the next who takes a partition

    async def _compare(self) -> bool:
        """Whether the database was rewound; if it was, `on_rewound` is committed. All partitions, whoever has them."""
        places = [self._place(topic, number) for topic in self.topics for number in range(topics.PARTITIONS)]
        try:
            known = await rewinds.reached(self.bootstrap, self._group, places)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer.offsets_not_compared", error=repr(error))
            return False
        async with self.database.work() as work:
            found = await rewinds.find(work, known)
            if found and self.on_rewound is not None:
                await self.on_rewound(work, found)
        if found:
            failpoint("consumer.after_rewound")
            log.error("consumer.database_rewound", partitions=[str(one) for one in found])
        for one in found:
            metrics.database_rewound.labels(one.place.topic).inc()
        self.compared = True
        return bool(found)

    @property
    def _group(self) -> str:
        return self.group or f"rapport-{self.service}"

    def _place(self, topic: str, partition: int) -> Place:
        return Place(self.cluster_id or "", self.generation, topic, partition)

    async def _out_of_range(self, client: Any, asked: Mapping[TopicPartition, int]) -> None:
        """Stops the partitions whose next record is not in the log; any other gets its position again."""
        await self._check_cluster()  # in another cluster's log no position means anything
        beginnings = await client.beginning_offsets(list(asked))
        for partition, offset in asked.items():
            held = self.held.pop(partition, None)
            if held is None or held.expected != offset:
                continue
            self.held[partition] = held
            with contextlib.suppress(IllegalStateError):
                client.seek(partition, beginnings[partition])
            if offset < beginnings[partition]:
                self._stop_partition(client, partition, held, _gone(offset, beginnings[partition]))
            else:
                self._stop_partition(client, partition, held, _too_short(offset))

    def _stop_partition(self, client: Any, partition: TopicPartition, held: Held, reason: str) -> None:
        held.stopped = reason
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile
            client.pause(partition)
        metrics.partition_stopped.labels(partition.topic, partition.partition, reason).set(1)
        log.error("consumer.partition_stopped", topic=partition.topic, partition=partition.partition, reason=reason)

    async def _note_caught_up(self, client: Any) -> None:
        """Writes how far each partition has been read: to its last poll where nothing waits."""
        now, wall_ms = self.clock.now(), wall_milliseconds()
        moments: list[tuple[Place, int, datetime]] = []
        short: list[tuple[TopicPartition, Held]] = []
        for partition, position in self._positions().items():
            if (waiting := self._waiting(partition, position)) is not None:
                metrics.consumer_lag.labels(partition.topic, partition.partition).set(waiting)
        for partition, held in self.held.items():
            if (high := _high_water(client, partition)) is None:
                continue
            if held.stopped:
                continue
            if self._ends_short(partition, held, high, client.last_poll_timestamp(partition)):
                short.append((partition, held))
            if high < held.expected:
                continue
            if high == held.expected:
                polled_ms = client.last_poll_timestamp(partition)
                moments.append((held.place, held.epoch, now - timedelta(milliseconds=max(0, wall_ms - polled_ms))))
            elif held.last_record_at is not None:
                moments.append((held.place, held.epoch, min(now, held.last_record_at)))
        if short:
            await self._stop_too_short(client, short)
        try:
            async with self.database.work() as work:
                behind = [held for held in self.held.values() if held.stored < held.expected]
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
            self.held.pop(TopicPartition(held.place.topic, held.place.partition), None)

    def _ends_short(self, partition: TopicPartition, held: Held, high: int, answered_ms: int) -> bool:
        """Whether two answers in a row say that the log ends before what was read of it.

        The embedded broker may send records with a high-water mark from before they came; the next answer tells better.
        """
        first = self._doubted.pop(partition, None)
        if high >= held.expected:
            return False
        if first is not None and first[0] == held.expected and first[1] != answered_ms:
            return True
        self._doubted[partition] = (held.expected, answered_ms)
        return False

    async def _stop_too_short(self, client: Any, suspects: Sequence[tuple[TopicPartition, Held]]) -> None:
        """Stops those of the suspects whose log really ends before what was read of it.

        A leader that has just become one tells fetches a high-water mark from before; asked for the log's end it
        gives no answer until it knows it (KIP-207), and then nothing is decided in this round.
        """
        await self._check_cluster()  # one that came back empty and has not been noticed yet is no shorter log
        try:
            async with asyncio.timeout(END_SECONDS):
                ends = await client.end_offsets([partition for partition, _ in suspects])
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            log.warning("consumer.end_not_known", error=repr(error))
            return
        for partition, held in suspects:
            if ends[partition] < held.expected:
                self._stop_partition(client, partition, held, _too_short(held.expected))

    async def _store(self, work: Work, held: Held) -> bool:
        """Moves the stored offset over records that were passed over; False if another holder has the partition."""
        passed = await offsets.swap(
            work.connection,
            held.place,
            epoch=held.epoch,
            expected=held.stored,
            new=held.expected,
            records=0,
            window=dead_letters.WINDOW,
        )
        return passed is not None

    async def _commit(self, client: Any) -> None:
        """Copies to Kafka what the database has stored, and no more; never over what was not compared with it yet."""
        mark = rewinds.mark(self.cluster_id or "", self.generation)
        positions = {partition: (held.stored, mark) for partition, held in self.held.items()}
        if positions and self.compared:
            with contextlib.suppress(KafkaError, IllegalStateError, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await client.commit(positions)
                    failpoint("consumer.after_kafka_commit")

    # A batch: one partition, one transaction

    async def _process(self, client: Any, partition: TopicPartition, records: Sequence[Any]) -> None:
        held = self.held.get(partition)
        if held is None or held.stopped:
            return
        batch = [Record(r.offset, r.key, r.headers, r.value, r.timestamp) for r in records if r.offset >= held.expected]
        if not batch:
            return
        try:
            with failures_raise():  # a task that ended as cancelled would leave its records behind, with nobody to tell
                async with asyncio.timeout(BATCH_SECONDS):
                    with metrics.batch_seconds.labels(partition.topic).time():
                        stopped = await self._apply(held, batch)
        except (PartitionLost, TryAgain, BrokerAway, KafkaError, DBAPIError, *DATABASE_AWAY) as error:
            # Whether the transaction committed may be unknown: only the row knows. The loop takes the partition
            # again, if it is still assigned, and reads on from there.
            if isinstance(error, PartitionLost):
                metrics.partitions_lost.labels(partition.topic).inc()
            failures = self._failures[partition] = self._failures.get(partition, 0) + 1
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1]
            self._not_before[partition] = asyncio.get_running_loop().time() + pause
            self.held.pop(partition, None)
            self._left[partition] = held.expected
            log.warning("consumer.batch_given_up", partition=str(partition), error=repr(error), pause_seconds=pause)
            return
        self._failures.pop(partition, None)
        self._progress_at = asyncio.get_running_loop().time()
        if stopped is not None:
            self._stop_partition(client, partition, held, stopped)

    async def _apply(self, held: Held, batch: Sequence[Record]) -> str | None:
        """Applies a batch; why its partition stops here, if it does."""
        try:
            return await self._batches.apply(held, batch)
        except BreakerOpened as error:
            failpoint("consumer.before_stop")
            async with self.database.work() as work:
                await offsets.stop(work.connection, held.place, epoch=held.epoch, reason=str(error))
            failpoint("consumer.after_stop")
            return str(error)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Waits for the round in progress before partitions go; they are taken by the loop, not here."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        async with self._consumer._round:
            for partition in revoked:
                self._consumer.held.pop(partition, None)
                self._consumer._left.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        log.info("consumer.assigned", partitions=sorted(f"{p.topic}/{p.partition}" for p in assigned))


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


def _high_water(client: Any, partition: TopicPartition) -> int | None:
    """The end of the log as of the last fetch; None before it, and for a partition that was taken away."""
    high: int | None = client.highwater(partition) if partition in client.assignment() else None
    return high


def _gone(expected: int, beginning: int) -> str:
    return f"records {expected} to {beginning - 1} are gone (retention)"


def _too_short(expected: int) -> str:
    return f"the log ends before what was read ({expected})"
