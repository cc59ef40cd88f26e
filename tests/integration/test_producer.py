"""Publishing on a real broker: callers share batches, and each hears what became of its own records."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.partitioner import DefaultPartitioner
from cloudevents.core.bindings import kafka
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.process import free_port
from shared.contracts import topics, wire
from shared.contracts.events import OrderPlaced
from shared.contracts.identity import partition_key
from shared.contracts.wire import Message
from shared.kafka import log
from shared.kafka.consumer.offsets import Place
from shared.kafka.dead_letters.dead_letter import Record
from shared.kafka.producer import BrokerAway, Producer, key_place
from shared.kafka.topics import admin, ensure
from tests.support.events import event, user

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
    assert key_place(key, partitions).partition == DefaultPartitioner()(key, every, every)


@given(key=st.binary(max_size=40))
def test_a_key_is_written_as_text_and_no_two_as_one(key: bytes) -> None:
    """Of ids and hashes, which have 16 bytes."""
    written = key_place(key, topics.PARTITIONS).written
    assert written.decode().isprintable()
    assert written in (key, key.hex().encode())


async def test_a_record_lies_where_earlier_releases_put_its_key_and_the_official_sdk_reads_it(
    broker: Broker, topic: str, producer: Producer
) -> None:
    placed = event(OrderPlaced(order_id="A-1", currency="EUR", total_minor=950), user(42))
    headers, value = wire.encode(placed)
    keys = [uuid4().bytes, partition_key("user_id:42", secret=b"secret"), b"rapport.events.v1:3:17"]
    sent = [Message(topic=topic, key=key, value=value, headers=headers, tag=n) for n, key in enumerate(keys)]
    await producer.send(sent)
    await producer.send_in_order(sent)
    every = list(range(topics.PARTITIONS))
    found = [
        (partition, kafka.from_kafka_event(kafka.KafkaMessage(dict(one.headers), one.key, one.value or b"")))
        for partition, one in await _placed(broker, topic)
    ]
    written = [keys[0].hex(), keys[1].hex(), keys[2].decode()]
    assert Counter((partition, one.get_extension("partitionkey")) for partition, one in found) == Counter(
        {(DefaultPartitioner()(key, every, every), text): 2 for key, text in zip(keys, written, strict=True)}
    )
    for _, one in found:
        assert (one.get_id(), one.get_type()) == (str(placed.event_id), OrderPlaced.TYPE)
        data: Any = one.get_data()
        assert data["data"] == {"order_id": "A-1", "currency": "EUR", "total_minor": 950}


async def _placed(broker: Broker, topic: str) -> list[tuple[int, Record]]:
    """All records of a topic, each with its partition."""
    async with log.reading(broker.bootstrap) as reader:
        places = [Place(reader.cluster_id, 1, topic, number) for number in range(topics.PARTITIONS)]
        begin = await reader.beginnings(places)
        return [
            (part.place.partition, record)
            async for part in reader.upto(begin, dict.fromkeys(places))
            for record in part.records
        ]


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
