"""Topics stand with the partitions that Rapport gives them, whoever asked the broker about them first."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.process import free_port
from shared.contracts.topics import PARTITIONS, REFERENCE
from shared.kafka.topics import ClusterIdentity, WrongPartitions, admin, ensure


def some_topics() -> list[str]:
    """Names that no other test uses."""
    return [f"rapport.test-{uuid4().hex[:8]}.v1" for _ in range(3)]


async def partitions(broker: Broker, names: list[str]) -> list[int]:
    """How many partitions each has."""
    async with admin(broker.bootstrap) as client:
        return [len(one["partitions"]) for one in await client.describe_topics(names)]


async def test_who_asks_about_a_topic_does_not_create_it(broker: Broker) -> None:
    names = some_topics()
    client = AIOKafkaClient(bootstrap_servers=broker.bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics(names)
        assert await partitions(broker, names) == [0, 0, 0]
    finally:
        await client.close()


async def test_topics_that_several_create_at_once_stand_when_each_returns(broker: Broker) -> None:
    names = some_topics()

    async def create() -> list[int]:
        async with admin(broker.bootstrap) as client:
            await ensure(client, names, replication=1)
        return await partitions(broker, names)

    assert await asyncio.gather(*(create() for _ in range(5))) == [[PARTITIONS] * 3] * 5


async def test_a_topic_with_another_number_of_partitions_is_told(broker: Broker) -> None:
    wrong, *others = some_topics()
    async with admin(broker.bootstrap) as client:
        await client.create_topics([NewTopic(wrong, PARTITIONS - 2, 1)])
        with pytest.raises(WrongPartitions, match=f"{wrong} has 4 partitions instead of 6"):
            await ensure(client, [wrong, *others], replication=1)


async def test_who_asks_on_a_kept_connection_hears_of_the_broker_that_took_another_ones_place(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    broker = EmbeddedBroker(tmp_path_factory.mktemp("own-broker"), free_port())
    await broker.start()
    identity = ClusterIdentity(broker.bootstrap)
    try:
        for _ in range(2):
            assert await asyncio.gather(*(identity.ask() for _ in range(2))) == [broker.cluster_id] * 2
            await broker.kill()
            await broker.start()
        assert await identity.ask() == broker.cluster_id
        await broker.kill()
        with pytest.raises((KafkaError, OSError, TimeoutError)):
            await identity.ask()
        await broker.start()
        assert await identity.ask() == broker.cluster_id
    finally:
        await identity.close()
        await broker.stop()


@pytest.mark.needs_kafka
async def test_reference_data_is_kept_for_ever_by_its_key(broker: Broker) -> None:
    async with admin(broker.bootstrap) as client:
        await ensure(client, [REFERENCE], replication=1)
        asked = ConfigResource(ConfigResourceType.TOPIC, REFERENCE, {"cleanup.policy": ""})
        [answer] = await client.describe_configs([asked])
    assert [entry[1] for entry in answer.resources[0][4]] == ["compact"]
