"""What the cluster is, and that the topics stand in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from shared.contracts import topics
from shared.kafka.connection import Brokers, client_options
from shared.kafka.failures import failures_raise

ADMIN_SECONDS: Final = 10
KEPT_SECONDS: Final = 2  # a kept connection without an answer for so long gives way to a new one
STANDING_SECONDS: Final = 5  # until every broker knows of a topic that one has created
TOPIC_ALREADY_EXISTS: Final = 36  # Kafka protocol error code
KEEP_FOR_EVER: Final = "-1"

# Who reads what. A broker that keeps nothing makes a writer keep each record until all of these have it. What is not
# here, dead letters and the topic of upstream systems, is kept for nobody.
READERS: Final[Mapping[str, tuple[str, ...]]] = {
    topics.EVENTS: ("profile",),
    topics.PROFILE_EVENTS: ("segment", "campaign", "feedback"),
    topics.PROFILES: ("segment", "campaign", "feedback"),
    topics.SEGMENTS: ("campaign",),
    topics.REFERENCE: ("segment",),
}


class WrongPartitions(RuntimeError):
    """A topic has another number of partitions than Rapport gives it: keys would move between them."""


def group_of(service: str) -> str:
    """Returns the consumer group of a service, the same for every process of it."""
    return f"rapport-{service}"


@asynccontextmanager
async def admin(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    """Opens an admin client, and closes it at the end."""
    client = _admin(brokers)
    try:
        await _start(client)
        yield client
    finally:
        await client.close()


def _admin(brokers: Brokers) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(**client_options(brokers), request_timeout_ms=ADMIN_SECONDS * 1000)


async def _start(client: AIOKafkaAdminClient) -> None:
    async with asyncio.timeout(ADMIN_SECONDS):
        await client.start()


async def cluster_id(client: AIOKafkaAdminClient) -> str:
    """Returns the id of the cluster that answers. The embedded broker has a new one at each start."""
    async with asyncio.timeout(ADMIN_SECONDS):
        found: str = (await client.describe_cluster())["cluster_id"]
    return found


class ClusterIdentity:
    """Says again and again which cluster answers, on a connection that stays: a new one costs four times as much.

    The process at the other end of a connection belongs to one cluster for its life. One that comes back at the same
    address has to be connected to anew, and then answers for itself.
    """

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._client: AIOKafkaAdminClient | None = None
        self._asking = asyncio.Lock()

    async def ask(self) -> str:
        """Returns the cluster's id; if the connection fails, over a new one.

        Raises `KafkaError`, `OSError` or `TimeoutError` if that fails, too.
        """
        async with self._asking:
            if self._client is not None:
                with contextlib.suppress(KafkaError, OSError, TimeoutError), failures_raise():
                    async with asyncio.timeout(KEPT_SECONDS):
                        return await cluster_id(self._client)
                await self.close()
            self._client = _admin(self._brokers)
            await _start(self._client)
            return await cluster_id(self._client)

    async def close(self) -> None:
        """Closes the connection, if there is one; the next question makes another."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


async def ensure(client: AIOKafkaAdminClient, names: Iterable[str], *, replication: int) -> None:
    """Creates the topics that are missing, with the fixed number of partitions; returns once they stand. Idempotent.

    Raises `WrongPartitions` if one was created by something else, with another number.
    """
    names = list(names)
    wanted = [NewTopic(name, topics.PARTITIONS, replication, topic_configs=_configs(name)) for name in names]
    async with asyncio.timeout(ADMIN_SECONDS):
        answer = await client.create_topics(wanted)
    for topic, code, *rest in answer.topic_errors:
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise for_code(code)(f"creating {topic}: {rest}")
    deadline = asyncio.get_running_loop().time() + STANDING_SECONDS
    while wrong := {name: found for name, found in await _partitions(client, names) if found != topics.PARTITIONS}:
        if any(wrong.values()):
            counts = ", ".join(f"{name} has {found}" for name, found in wrong.items() if found)
            raise WrongPartitions(f"{counts} partitions instead of {topics.PARTITIONS}")
        if asyncio.get_running_loop().time() > deadline:
            raise UnknownTopicOrPartitionError(f"created, but not there: {', '.join(wrong)}")
        await asyncio.sleep(0.1)


async def _partitions(client: AIOKafkaAdminClient, names: Sequence[str]) -> list[tuple[str, int]]:
    """Each topic with the number of its partitions: 0 if the broker that answers does not know it."""
    async with asyncio.timeout(ADMIN_SECONDS):
        found = await client.describe_topics(names)
    return [(one["topic"], len(one["partitions"])) for one in found]


def _configs(name: str) -> dict[str, str]:
    if name in topics.COMPACTED:
        return {"cleanup.policy": "compact"}
    if not topics.is_dead_letters(name):
        return {}
    # A broker's default keeps records for a week; a dead letter waits for somebody.
    return {"retention.ms": KEEP_FOR_EVER, "max.message.bytes": str(topics.MAX_LETTER_BYTES)}


async def ensure_topics(brokers: Brokers, names: Iterable[str], *, replication: int, patience_seconds: float) -> None:
    """Does what `ensure` does, again and again until the broker answers. Raises its last error."""
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while True:
        try:
            async with admin(brokers) as client:
                await ensure(client, names, replication=replication)
                return
        except (KafkaError, OSError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)
