"""A producer's client that speaks to one process of one broker, and says which cluster that is.

A broker that keeps nothing comes back at the same address as another, empty cluster. A client that connected again by
itself would send to it what was meant for the old one, before the topics stand there, and take its acknowledgement for
the old one's. So this client has one connection. What is acknowledged on it was acknowledged by the cluster that the
same connection named; when it breaks, everything on it fails, and whoever uses it makes a new client.

For a cluster of one broker only: such a broker keeps nothing, so there is no second one that could have the records.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin.client import MetadataRequest  # the one that makes no topics, see shared/kafka/__init__.py
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.kafka import topics as cluster
from shared.kafka.connection import Brokers

NAME_SECONDS: Final = 5

Prepare = Callable[[str], Awaitable[None]]
"""Makes a cluster ready for what will be sent to it: its topics. Is given its id; raises `KafkaError`."""


class Pinned:
    """One connection of a producer, and the id of the cluster at its end."""

    def __init__(self, connection: Any, cluster_id: str) -> None:
        self._connection = connection
        self.cluster_id = cluster_id

    def is_open(self) -> bool:
        """Returns whether the process at the other end has not closed it yet."""
        return bool(self._connection.connected())


async def pin(producer: AIOKafkaProducer) -> Pinned:
    """Returns the one connection that this client, which has just started, will use from now on.

    Raises `KafkaError`, `OSError` or `TimeoutError`.
    """
    client: Any = producer.client
    brokers: list[Any] = list(client.cluster.brokers())
    if len(brokers) != 1:
        raise KafkaError(f"{len(brokers)} brokers; a broker that keeps nothing must be the only one")
    node = brokers[0].nodeId
    connection = await client._get_conn(node)
    if connection is None:
        raise KafkaConnectionError(f"no connection to broker {node}")

    async def only(*_: Any, **__: Any) -> Any:
        return connection if connection.connected() else None

    client._get_conn = only
    # The client sends a batch again by itself for as long as this; here nothing may be sent but by us.
    producer._message_accumulator._batch_ttl = 0.0
    async with asyncio.timeout(NAME_SECONDS):
        named = await connection.send(MetadataRequest([]))
    return Pinned(connection, named.cluster_id)


def standing(brokers: Brokers, names: Sequence[str], *, replication: int) -> Prepare:
    """Returns what makes these topics stand in a cluster before anything is sent there."""

    async def prepare(cluster_id: str) -> None:
        async with cluster.admin(brokers) as admin:
            # Asked before and after: a broker that was replaced between has none of them.
            before = await cluster.cluster_id(admin)
            await cluster.ensure(admin, names, replication=replication)
            after = await cluster.cluster_id(admin)
        if {before, after} != {cluster_id}:
            raise KafkaError(f"cluster {cluster_id} became {after}")

    return prepare
