"""What a broker that keeps nothing has stays with its writer until every reader has it, on real ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.broker import EmbeddedBroker
from deploy.local.process import free_port
from shared import published
from shared.contracts import topics
from shared.kafka.pinned import standing
from shared.kafka.producer import BrokerAway, LogPosition, Producer
from shared.kafka.topics import READERS, group_of
from shared.keeper import Keeper
from shared.published import LeaseLost, Passed
from shared.relay import Relay
from tests.conftest import DatabaseFactory
from tests.integration.test_relay import Post, everything, firsts, sequences
from tests.support.running import eventually

pytestmark = pytest.mark.any_broker  # it brings its own: one that forgets

ROWS: Final = 300
PARTITIONS: Final = [TopicPartition(topics.SEGMENTS, number) for number in range(topics.PARTITIONS)]


@pytest.fixture
async def forgetful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedBroker]:
    """An embedded broker of the test's own, to be killed."""
    server = EmbeddedBroker(tmp_path_factory.mktemp("forgetful"), free_port())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def post(forgetful: EmbeddedBroker, database_factory: DatabaseFactory) -> AsyncIterator[Post]:
    """A database with an outbox; what is written is of the topic that campaign alone reads."""
    made = Post(forgetful.bootstrap, await database_factory("segment"))
    made.topic = topics.SEGMENTS
    yield made
    await made.database.close()


def producer_of(bootstrap: str) -> Producer:
    return Producer(bootstrap, client_id="test", prepare=standing(bootstrap, topics.ALL, replication=1))


@asynccontextmanager
async def relaying(post: Post) -> AsyncIterator[Keeper]:
    """A relay that keeps, inside the block; cancelled at its end, as a kill would end it."""
    producer, own = producer_of(post.bootstrap), post.connect()
    keeper = Keeper(own, producer, post.bootstrap, alarm_bytes=1 << 30)
    relay = Relay(own, producer, tick=lambda: None, keeper=keeper)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(relay.run(asyncio.Event()))
            yield keeper
            assert not running.done(), "the relay ended by itself"
            running.cancel()
    finally:
        await producer.close()
        await own.close()


async def kept(post: Post) -> int:
    async with post.database.work() as work:
        row = await work.row("SELECT count(*) AS rows FROM published")
    assert row is not None
    return int(row.rows)


async def commit(post: Post, service: str) -> None:
    """Has a service's group commit the ends of all partitions, as if it had read everything."""
    ends = dict.fromkeys(PARTITIONS, 0)
    for partition, records in (await post.log(at_least=1)).items():
        ends[TopicPartition(topics.SEGMENTS, partition)] = records[-1].offset + 1
    consumer = AIOKafkaConsumer(
        bootstrap_servers=post.bootstrap, group_id=group_of(service), enable_auto_commit=False, fetch_max_wait_ms=10
    )
    await consumer.start()
    try:
        consumer.assign(PARTITIONS)
        await consumer.commit(ends)
    finally:
        await consumer.stop()


async def test_what_not_every_reader_has_is_kept_and_goes_to_the_next_broker_before_what_is_newer(
    post: Post, forgetful: EmbeddedBroker
) -> None:
    assert READERS[topics.SEGMENTS] == ("campaign",)
    await post.write(ROWS)
    async with relaying(post):
        await eventually(lambda: kept(post), lambda rows: rows == ROWS)
        await forgetful.kill()
        await post.write(ROWS)  # newer, and waiting before what is old
        await forgetful.start()
        await eventually(lambda: kept(post), lambda rows: rows == 2 * ROWS)
        log = await post.log(at_least=2 * ROWS)
        assert sorted(set(everything(log))) == list(range(2 * ROWS))
        for lane in sequences(log).values():
            assert firsts(lane) == sorted(set(lane))
        await commit(post, "campaign")
        await eventually(lambda: kept(post), lambda rows: rows == 0)


async def test_what_was_kept_before_a_start_goes_out_again_without_anything_new(
    post: Post, forgetful: EmbeddedBroker
) -> None:
    await post.write(ROWS)
    async with relaying(post):
        await eventually(lambda: kept(post), lambda rows: rows == ROWS)
    await forgetful.restart()
    async with post.database.work() as work:
        await work.run("DELETE FROM leases")  # as after their time
    async with relaying(post) as keeper:
        await eventually(lambda: _cluster(keeper), lambda cluster: cluster == forgetful.cluster_id)
        assert sorted(everything(await post.log(at_least=ROWS))) == list(range(ROWS))


async def test_a_relay_with_nothing_to_do_follows_the_broker_to_its_successor(
    post: Post, forgetful: EmbeddedBroker
) -> None:
    async with relaying(post) as keeper:
        await eventually(lambda: _cluster(keeper), lambda cluster: cluster == forgetful.cluster_id)
        await forgetful.restart()
        await eventually(lambda: _cluster(keeper), lambda cluster: cluster == forgetful.cluster_id)


async def test_what_another_relay_kept_goes_out_again_once_that_one_is_gone(post: Post) -> None:
    async with relaying(post):
        await eventually(lambda: _held(post), lambda held: held)
        await eventually(lambda: _held(post), lambda held: not held)  # who has nothing to do lets its lease lapse
        other = await _lease(post)
        await post.write(1)
        async with post.database.engine.begin() as connection:
            await published.keep(connection, other, "gone", {1: LogPosition(0, 0)})
        async with post.database.work() as work:
            await work.run("DELETE FROM leases")  # as after the other's time
        assert everything(await post.log(at_least=1)) == [0]


async def test_a_producer_sends_nothing_to_a_broker_that_came_back_before_its_topics_stand(
    post: Post, forgetful: EmbeddedBroker
) -> None:
    producer = producer_of(post.bootstrap)
    before = await producer.cluster_id()
    await forgetful.restart()
    with pytest.raises(BrokerAway):
        await producer.send_in_order([], cluster_id=before)
    assert await producer.cluster_id() == forgetful.cluster_id
    await producer.close()


async def test_a_relay_that_lost_its_lease_notes_nothing(post: Post) -> None:
    await post.write(1)
    frozen = uuid4()
    for holder, raises in ((frozen, True), (await _lease(post), False)):
        async with post.database.engine.begin() as connection:
            if raises:
                with pytest.raises(LeaseLost):
                    await published.keep(connection, holder, "cluster", {1: LogPosition(0, 0)})
            else:
                await published.keep(connection, holder, "cluster", {1: LogPosition(0, 0)})
        assert await kept(post) == (0 if raises else 1)


async def test_an_answer_says_nothing_of_what_was_kept_after_the_question(post: Post) -> None:
    await post.write(2)
    holder = await _lease(post)
    passed = [Passed(topics.SEGMENTS, 0, 100)]
    async with post.database.engine.begin() as connection:
        await published.keep(connection, holder, "cluster", {1: LogPosition(0, 0)})
        below = await published.mark(connection)
        await published.keep(connection, holder, "cluster", {2: LogPosition(0, 1)})
        assert await published.forget(connection, holder, "another", passed, below=below) == 0
        assert await published.forget(connection, holder, "cluster", passed, below=below) == 1
    assert await kept(post) == 1


async def _lease(post: Post) -> UUID:
    holder = uuid4()
    async with post.database.work() as work:
        await work.run("DELETE FROM leases WHERE expires_at < now()")
        await work.run(
            "INSERT INTO leases (name, holder, expires_at) VALUES ('relay', :holder, now() + interval '1 minute')",
            holder=holder,
        )
    return holder


async def _held(post: Post) -> bool:
    async with post.database.work() as work:
        return await work.row("SELECT 1 FROM leases WHERE expires_at > now()") is not None


async def _cluster(keeper: Keeper) -> str | None:
    return keeper.cluster_id
