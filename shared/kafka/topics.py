"""What the cluster is, and that the topics stand in it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from shared.contracts import topics

ADMIN_SECONDS: Final = 10
TOPIC_ALREADY_EXISTS: Final = 36  # Kafka protocol error code


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, closed at the end."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=ADMIN_SECONDS * 1000)
    try:
        async with asyncio.timeout(ADMIN_SECONDS):
            await client.start()
        yield client
    finally:
        await client.close()


async def cluster_id(client: AIOKafkaAdminClient) -> str:
    """The id of the cluster that answers. The embedded broker has a new one at each start."""
    async with asyncio.timeout(ADMIN_SECONDS):
        found: str = (await client.describe_cluster())["cluster_id"]
    return found


async def ensure(client: AIOKafkaAdminClient, names: Iterable[str], *, replication: int) -> None:
    """Creates the topics that are missing, with the fixed number of partitions. Idempotent."""
    wanted = [NewTopic(name, topics.PARTITIONS, replication) for name in names]
    async with asyncio.timeout(ADMIN_SECONDS):
        answer = await client.create_topics(wanted)
    for topic, code, *rest in answer.topic_errors:
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise for_code(code)(f"creating {topic}: {rest}")


async def ensure_topics(bootstrap: str, names: Iterable[str], *, replication: int, patience_seconds: float) -> None:
    """`ensure`, trying again until the broker answers; raises what it said last."""
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while True:
        try:
            async with admin(bootstrap) as client:
                await ensure(client, names, replication=replication)
                return
        except (KafkaError, OSError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)
