"""How far the readers of topics have come, by what their groups have committed to the broker."""

import asyncio
from collections.abc import Collection
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts import topics
from shared.kafka import topics as cluster
from shared.kafka.connection import Brokers

READ_SECONDS: Final = 5


async def passed_by_all(brokers: Brokers, names: Collection[str], *, cluster_id: str) -> dict[TopicPartition, int]:
    """Returns the least offset that all groups that read a topic have committed, by partition.

    A partition that some group has never committed, and a topic that nobody is known to read, have none. Raises
    `KafkaError`, `OSError` or `TimeoutError` if that can't be known of this cluster.
    """
    least: dict[TopicPartition, int] = {}
    async with asyncio.timeout(READ_SECONDS), cluster.admin(brokers) as admin:
        # Asked before and after: what was answered between is this cluster's.
        before = await cluster.cluster_id(admin)
        committed = {
            service: await admin.list_consumer_group_offsets(cluster.group_of(service), partitions=wanted)
            for service, wanted in _wanted(names).items()
        }
        after = await cluster.cluster_id(admin)
    if {before, after} != {cluster_id}:
        raise KafkaError(f"cluster {cluster_id} became {after}")
    for name in names:
        readers = cluster.READERS.get(name, ())
        for number in range(topics.PARTITIONS):
            partition = TopicPartition(name, number)
            offsets = [committed[one][partition].offset if partition in committed[one] else -1 for one in readers]
            if offsets and min(offsets) >= 0:
                least[partition] = min(offsets)
    return least


def _wanted(names: Collection[str]) -> dict[str, list[TopicPartition]]:
    wanted: dict[str, list[TopicPartition]] = {}
    for name in names:
        for service in cluster.READERS.get(name, ()):
            wanted.setdefault(service, []).extend(TopicPartition(name, number) for number in range(topics.PARTITIONS))
    return wanted
