"""The relay on a real broker and a real PostgreSQL: nothing is lost, and what comes first comes in order."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from uuid import UUID, uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from structlog.testing import capture_logs

from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.process import free_port
from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent
from shared.contracts.wire import Message
from shared.database.database import Database
from shared.errors import Refused
from shared.kafka.consumer import offsets
from shared.kafka.consumer.offsets import Place
from shared.kafka.producer import BATCH_BYTES, LogPosition, Producer
from shared.kafka.topics import admin, ensure
from shared.outbox import MAX_RECORD_BYTES
from shared.relay import Relay
from shared.service.clock import SystemClock
from shared.service.loops import IDLE_SECONDS
from tests.conftest import DatabaseFactory
from tests.support.events import event, order, user
from tests.support.running import eventually
from tests.support.stopped import StoppedClock

_T = TypeVar("_T")

CUSTOMERS: Final = tuple(UUID(int=n, version=4) for n in range(1, 21))
SMALL_BATCH: Final = 7  # records; so that repeats fall into the same batch as well as into later ones


class Noting(Producer):
    """A producer that notes what it was asked to send. Who holds `passing` lets no round begin."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap, client_id="test")
        self.asked: list[list[Message]] = []
        self.acknowledged_at = asyncio.Event()
        self.passing = asyncio.Lock()

    async def send_in_order(self, messages: Sequence[Message], *, cluster_id: str = "") -> dict[int, LogPosition]:
        async with self.passing:
            self.asked.append(list(messages))
            acknowledged = await super().send_in_order(messages, cluster_id=cluster_id)
        if acknowledged:
            self.acknowledged_at.set()
        return acknowledged


class Post:
    """A database with an outbox, a topic, and relays between them."""

    def __init__(self, bootstrap: str, url: str) -> None:
        self.bootstrap = bootstrap
        self.url = url
        self.topic = f"rapport.test-{uuid4().hex[:8]}.v1"
        self.database = self.connect()
        self.written = 0

    def connect(self) -> Database:
        """A pool of its own, as another process has."""
        return Database(self.url, application="test", clock=SystemClock(), pool_size=3)

    async def make_topic(self) -> None:
        async with admin(self.bootstrap) as client:
            await ensure(client, [self.topic], replication=1)

    async def write(self, count: int, *, transactions: int = 1) -> None:
        """Rows of all customers in turn; sequences rise with ids, as profile's do."""
        for _ in range(transactions):
            async with self.database.work() as work:
                await work.outbox.add(
                    self.topic, [stamped(n) for n in range(self.written, self.written + count // transactions)]
                )
            self.written += count // transactions

    async def waiting(self) -> int:
        async with self.database.work() as work:
            row = await work.row("SELECT count(*) AS rows FROM outbox")
        assert row is not None
        return int(row.rows)

    async def until_empty(self, *, deadline_seconds: float = 30) -> None:
        await eventually(self.waiting, lambda rows: rows == 0, deadline_seconds=deadline_seconds)

    @asynccontextmanager
    async def relaying(
        self,
        *,
        database: Database | None = None,
        writers_here: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> AsyncIterator[Noting]:
        """A relay that runs inside the block, and is cancelled at its end, as a kill would end it."""
        producer, own = Noting(self.bootstrap), database or self.connect()
        relay = Relay(own, producer, tick=lambda: None, now=now)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(relay.run(asyncio.Event(), writers_here=writers_here))
                try:
                    yield producer
                    assert not running.done(), "the relay ended by itself"
                finally:
                    running.cancel()
        finally:
            await producer.close()
            own.listeners.clear()
            if own is not self.database:
                await own.close()

    async def log(self, *, at_least: int) -> dict[int, list[ConsumerRecord]]:
        """The records of each partition, once there are so many; all that are there then."""
        partitions = [TopicPartition(self.topic, number) for number in range(topics.PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="none", fetch_max_wait_ms=10)
        found: dict[int, list[ConsumerRecord]] = defaultdict(list)
        await consumer.start()

        async def look() -> int:
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                found[partition.partition] += records
            for one in partitions:
                end = consumer.highwater(one)
                if end is None or await consumer.position(one) < end:
                    return -1
            return sum(map(len, found.values()))

        try:
            consumer.assign(partitions)
            for one in partitions:
                consumer.seek(one, 0)
            await eventually(look, lambda records: records >= at_least)
            return found
        finally:
            await consumer.stop()


def stamped(number: int) -> tuple[bytes, Event]:
    """The event of this number, with its key, on one lane."""
    profile_id = CUSTOMERS[number % len(CUSTOMERS)]
    one = order(profile_id, number)
    return profile_id.bytes, msgspec.structs.replace(one, profile_id=profile_id, origin=3, sequence=number)


def sequences(log: dict[int, list[ConsumerRecord]]) -> dict[int, list[int]]:
    """The sequences in each partition."""
    found: dict[int, list[int]] = {}
    for partition, records in log.items():
        events = [wire.decode(record.headers, record.value) for record in records]
        found[partition] = [one.sequence for one in events if one.sequence is not None]
    return found


def firsts(values: Iterable[int]) -> list[int]:
    """Each value where it stood first."""
    return list(dict.fromkeys(values))


def everything(log: dict[int, list[ConsumerRecord]]) -> list[int]:
    return sorted(sequence for lane in sequences(log).values() for sequence in lane)


@pytest.fixture
async def post(broker: Broker, database_factory: DatabaseFactory) -> AsyncIterator[Post]:
    """A post on the session's broker."""
    made = Post(broker.bootstrap, await database_factory("profile"))
    await made.make_topic()
    yield made
    await made.database.close()


async def test_rows_arrive_in_order_and_are_deleted(post: Post) -> None:
    await post.write(5_000, transactions=5)  # more than one round reads
    async with post.relaying():
        await post.write(1_000, transactions=20)
        await post.until_empty()
        log = await post.log(at_least=6_000)
    assert everything(log) == list(range(6_000)), "each once: nothing failed, so nothing was sent twice"
    for lane in sequences(log).values():
        assert lane == sorted(lane)
    assert len(log) > 1, "all customers came to one partition: nothing was shown"


async def test_what_is_told_to_stop_sends_what_waits_first(post: Post) -> None:
    await post.write(100)
    producer, stop = Producer(post.bootstrap, client_id="test"), asyncio.Event()
    stop.set()
    await Relay(post.database, producer, tick=lambda: None).run(stop)
    assert await post.waiting() == 0
    await producer.close()


async def test_a_broker_that_is_restarted_while_rows_wait_loses_none(
    broker: Broker,
    database_factory: DatabaseFactory,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.kafka.producer.SEND_SECONDS", 3)  # until a round without a broker has failed
    keeps = not isinstance(broker, EmbeddedBroker)
    own = broker if keeps else EmbeddedBroker(tmp_path_factory.mktemp("own-broker"), free_port())
    if not keeps:
        await own.start()
    post = Post(own.bootstrap, await database_factory("profile"))
    try:
        await post.make_topic()
        async with post.relaying() as producer:
            await post.write(1_000, transactions=4)
            await post.until_empty()
            before = await post.log(at_least=1_000)
            await own.kill()
            rounds = len(producer.asked)
            await post.write(1_000, transactions=4)
            await eventually(lambda: _now(producer.asked), lambda asked: len(asked) > rounds)
            assert await post.waiting() == 1_000
            await _restarted(post, producer, own)
            await post.until_empty(deadline_seconds=60)
        after = await post.log(at_least=2_000 if keeps else 1_000)
    finally:
        await post.database.close()
        if not keeps:
            await own.stop()
    assert set(everything(before)) | set(everything(after)) == set(range(2_000))
    for lane in sequences(after).values():
        assert firsts(lane) == sorted(set(lane))


async def test_a_broker_killed_amid_sending_gets_again_what_it_did_not_acknowledge(
    broker: Broker, database_factory: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keeps = not isinstance(broker, EmbeddedBroker)
    own = broker if keeps else EmbeddedBroker(tmp_path_factory.mktemp("own-broker"), free_port())
    if not keeps:
        await own.start()
    post = Post(own.bootstrap, await database_factory("profile"))
    try:
        await post.make_topic()
        await post.write(12_000, transactions=3)
        async with post.relaying() as producer:
            await producer.acknowledged_at.wait()
            await own.kill()
            # Once another round begins, the one that was cut has deleted what it knew to be acknowledged.
            rounds = len(producer.asked)
            await eventually(lambda: _now(producer.asked), lambda asked: len(asked) > rounds)
            async with post.database.work() as work:
                left = await work.rows("SELECT headers::text AS headers, value FROM outbox ORDER BY id")
            kept = {
                sequence
                for row in left
                for sequence in [wire.decode(_headers(row.headers), row.value).sequence]
                if sequence is not None
            }
            await _restarted(post, producer, own)
            await post.until_empty(deadline_seconds=60)
        after = await post.log(at_least=12_000 if keeps else len(kept))
    finally:
        await post.database.close()
        if not keeps:
            await own.stop()
    assert set(everything(after)) >= (set(range(12_000)) if keeps else kept)
    for lane in sequences(after).values():
        assert firsts(lane) == sorted(set(lane))


@pytest.mark.any_broker
async def test_of_two_relays_one_works_and_the_other_takes_over_after_the_lease(post: Post) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        working = await first.enter_async_context(post.relaying())
        await post.write(100)
        await post.until_empty()
        waiting = await stack.enter_async_context(post.relaying())
        for _ in range(3):
            await post.write(100)
            await post.until_empty()
        assert working.asked
        assert waiting.asked == [], "the other worked beside the holder of the lease"
        await first.aclose()
        await post.write(100)
        await post.until_empty()
        assert waiting.asked
    assert everything(await post.log(at_least=500)) == list(range(500))


async def test_what_a_relay_sends_late_passes_no_reader_a_second_time(post: Post) -> None:
    frozen = Producer(post.bootstrap, client_id="frozen")
    await post.write(200)
    async with post.database.work() as work:
        rows = await work.rows("SELECT id, topic, key, headers::text AS headers, value FROM outbox ORDER BY id")
    read = [
        Message(topic=row.topic, key=row.key, headers=_headers(row.headers), value=row.value, tag=row.id)
        for row in rows
    ]
    async with post.relaying():
        await post.until_empty()
        await post.write(200)
        await post.until_empty()
        assert len(await frozen.send_in_order(read)) == 200
        await post.write(100)
        await post.until_empty()
        assert len(await frozen.send_in_order(read[50:])) == 150
        log = await post.log(at_least=850)
    await frozen.close()
    assert len(everything(log)) == 850
    assert await _passed(post, log) == {partition: sorted(set(lane)) for partition, lane in sequences(log).items()}
    assert sorted(set(everything(log))) == list(range(500))


async def test_without_the_marks_what_a_relay_sends_late_would_count_twice(post: Post) -> None:
    await post.write(20)
    async with post.database.work() as work:
        rows = await work.rows("SELECT id, topic, key, headers::text AS headers, value FROM outbox ORDER BY id")
    late = [Message(topic=row.topic, key=row.key, headers=_headers(row.headers), value=row.value) for row in rows]
    async with post.relaying() as producer:
        await post.until_empty()
        await producer.send_in_order(late)
        log = await post.log(at_least=40)
    assert everything(log) == sorted([*range(20), *range(20)])


async def test_a_row_larger_than_a_batch_is_sent(post: Post) -> None:
    await post.write(10)
    await _write_large(post, BATCH_BYTES + 50_000, key=CUSTOMERS[0])
    await post.write(10)
    async with post.relaying():
        await post.until_empty()
        log = await post.log(at_least=21)
    assert everything(log) == list(range(20))
    assert max(len(record.value) for records in log.values() for record in records) > BATCH_BYTES


@pytest.mark.any_broker
async def test_what_no_broker_takes_never_gets_into_the_outbox(post: Post) -> None:
    with pytest.raises(Refused, match="bytes to publish"):
        await _write_large(post, MAX_RECORD_BYTES, key=CUSTOMERS[0])
    assert await post.waiting() == 0


@pytest.mark.needs_kafka
async def test_a_row_that_the_broker_refuses_stays_is_told_and_holds_up_only_its_own_partition(post: Post) -> None:
    # Past the outbox's own limit, as a broker set to less than that would refuse it.
    async with post.database.work() as work:
        await work.run(
            "INSERT INTO outbox (topic, key, headers, value) VALUES (:topic, :key, '{}', :value)",
            topic=post.topic,
            key=CUSTOMERS[0].bytes,
            value=b"x" * 3_000_000,
        )
    await post.write(100)
    with capture_logs() as logs:
        async with post.relaying():
            # Every other partition is emptied; that of the large row waits behind it.
            rows = await eventually(post.waiting, lambda waiting: waiting < 101)
            assert rows >= 1
            await eventually(lambda: _now(logs), lambda lines: "relay.waits" in {one["event"] for one in lines})
            log = await post.log(at_least=1)
    assert await post.waiting() >= 1
    for lane in sequences(log).values():
        assert lane == sorted(set(lane)), "what was acknowledged was sent again"


async def test_a_commit_wakes_the_relay(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.relay.POLL_SECONDS", 3600)  # so that nothing else can wake it in time
    async with post.relaying(database=post.database):
        for _ in range(3):
            await post.write(20)
            await post.until_empty()
    post.database.listeners.clear()


@pytest.mark.parametrize("writers_here", [True, False])
async def test_an_idle_relay_sends_at_once_what_its_process_writes_and_goes_on_looking_for_what_others_write(
    post: Post, monkeypatch: pytest.MonkeyPatch, *, writers_here: bool
) -> None:
    monkeypatch.setattr("shared.relay.IDLE_POLL_SECONDS", 3600)  # so that whoever looks so seldom does not find it
    clock, database = StoppedClock(), post.database if writers_here else None
    async with post.relaying(database=database, writers_here=writers_here, now=clock):
        await clock.until_read_again()
        clock.advance(IDLE_SECONDS + 1)
        await clock.until_read_again()
        await post.write(20)
        await post.until_empty()
    post.database.listeners.clear()


async def _restarted(post: Post, producer: Noting, broker: Broker) -> None:
    """Starts the broker again, and makes the topic if that is gone, before anything is sent.

    For the embedded broker acknowledges what comes for a topic that it does not have yet, and forgets it.
    """
    async with producer.passing:
        await broker.start()
        await post.make_topic()


async def _passed(post: Post, log: dict[int, list[ConsumerRecord]]) -> dict[int, list[int]]:
    """What a reader lets pass of each partition, read in small batches, each in a transaction."""
    passed: dict[int, list[int]] = {}
    for partition, records in log.items():
        events = [wire.decode(record.headers, record.value) for record in records]
        through: list[int] = []
        for start in range(0, len(events), SMALL_BATCH):
            batch = events[start : start + SMALL_BATCH]
            async with post.database.work() as work:
                found = await offsets.doubtful(work.connection, Place("cluster", 1, post.topic, partition), batch)
            assert not found.implausible
            new = [one for n, one in enumerate(batch) if n not in found.repeated]
            through += [one.sequence for one in new if one.sequence is not None]
        passed[partition] = through
    return passed


async def _write_large(post: Post, size: int, *, key: bytes | UUID) -> None:
    profile_id = key if isinstance(key, UUID) else UUID(bytes=key)
    large = event(CustomEvent(name="large", properties={"text": "x" * size}), user(1), profile_id=profile_id)
    async with post.database.work() as work:
        await work.outbox.add(post.topic, [(profile_id.bytes, large)])


def _headers(text: str) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in msgspec.json.decode(text).items()]


async def _now(value: _T) -> _T:
    return value
