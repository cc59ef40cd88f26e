"""Publishing on a real broker: callers share batches, and each hears what became of its own records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.process import free_port
from shared.contracts import topics
from shared.contracts.wire import Message
from shared.kafka import log
from shared.kafka.dead_letters.dead_letter import Record
from shared.kafka.producer import BrokerAway, Producer, partition_of
from shared.kafka.topics import admin, ensure

CALLERS = 40
EACH = 25
PAYLOAD = b"x" * 2_000


@pytest.fixture
async def topic(broker: Broker) -> str:
    """A topic of the test's own."""
    return await made(broker)


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[Producer]:
    """A producer, closed at the end."""
    made = Producer(broker.bootstrap, client_id="test")
    yield made
    await made.close()


async def made(broker: Broker) -> str:
    name = f"rapport.test-{uuid4().hex[:8]}.v1"
    async with admin(broker.bootstrap) as client:
        await ensure(client, [name], replication=1)
    return name


def records(topic: str, caller: int, *, payload: bytes = b"") -> list[Message]:
    return [
        Message(topic=topic, key=f"k{n}".encode(), value=f"{caller}/{n} ".encode() + payload, headers=[("h", b"1")])
        for n in range(EACH)
    ]


def names(found: list[Record]) -> list[str]:
    return sorted((record.value or b"").partition(b" ")[0].decode() for record in found)


def expected(*callers: int) -> list[str]:
    return sorted(f"{caller}/{n}" for caller in callers for n in range(EACH))


@given(key=st.binary(max_size=40), partitions=st.integers(1, 50))
def test_a_key_has_the_partition_that_kafkas_own_clients_give_it(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, every, every)


async def test_callers_at_the_same_time_share_batches_and_every_record_is_there_once(
    broker: Broker, topic: str, producer: Producer
) -> None:
    await producer.send(records(topic, CALLERS))
    begun = 0
    client = producer._client
    assert client is not None
    create = client.create_batch

    def counted() -> object:
        nonlocal begun
        begun += 1
        return create()

    client.create_batch = counted
    async with asyncio.TaskGroup() as tasks:
        for caller in range(CALLERS):
            tasks.create_task(producer.send(records(topic, caller)))

    assert names(await log.read(broker.bootstrap, topic)) == expected(*range(CALLERS + 1))
    assert begun < CALLERS * topics.PARTITIONS


async def test_what_is_more_than_one_batch_travels_in_several(broker: Broker, topic: str, producer: Producer) -> None:
    async with asyncio.TaskGroup() as tasks:
        for caller in range(CALLERS):
            tasks.create_task(producer.send(records(topic, caller, payload=PAYLOAD)))

    assert names(await log.read(broker.bootstrap, topic)) == expected(*range(CALLERS))


async def test_a_caller_who_is_cancelled_leaves_nobody_waiting(broker: Broker, topic: str, producer: Producer) -> None:
    await producer.send(records(topic, 0))
    first = asyncio.create_task(producer.send(records(topic, 1)))  # noqa: TID251 # to be cancelled
    others = [asyncio.create_task(producer.send(records(topic, 2))) for _ in range(3)]  # noqa: TID251
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(20):
        for task in (first, *others):
            with suppress(BrokerAway, asyncio.CancelledError):
                await task
    assert first.cancelled()
    await producer.send(records(topic, 3))
    assert set(names(await log.read(broker.bootstrap, topic))) >= set(expected(0, 3))


async def test_a_caller_who_is_cancelled_takes_no_answer_from_those_who_share_the_round(
    broker: Broker, topic: str, producer: Producer
) -> None:
    await producer.send(records(topic, 0))
    first = asyncio.create_task(producer.send(records(topic, 1)))  # noqa: TID251 # sends the round
    second, third = (asyncio.create_task(producer.send(records(topic, n))) for n in (2, 3))  # noqa: TID251
    await asyncio.sleep(0)
    second.cancel()
    async with asyncio.timeout(20):
        await asyncio.gather(first, third)
    assert second.cancelled()
    assert set(names(await log.read(broker.bootstrap, topic))) >= set(expected(0, 1, 3))


async def test_when_the_broker_goes_everybody_hears_it_and_when_it_is_back_all_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    own = EmbeddedBroker(tmp_path_factory.mktemp("own-broker"), free_port())
    await own.start()
    producer = Producer(own.bootstrap, client_id="test")
    try:
        topic = await made(own)
        await producer.send(records(topic, 0))
        await own.kill()
        async with asyncio.timeout(60):
            found = await asyncio.gather(
                *(producer.send(records(topic, caller)) for caller in range(CALLERS)), return_exceptions=True
            )
        assert {type(one) for one in found} == {BrokerAway}
        await own.start()
        again = await made(own)
        await producer.send(records(again, 7))
        assert names(await log.read(own.bootstrap, again)) == expected(7)
    finally:
        await producer.close()
        await own.stop()
