"""What lies in the broker's logs."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import PARTITIONS

DEADLINE_SECONDS: Final = 20
CLOSE_SECONDS: Final = 5
PAUSE_SECONDS: Final = 0.01


async def log_end(bootstrap: str, topics: Sequence[str]) -> int:
    """The sum of the ends of all partitions of these topics."""
    return sum((await log_ends(bootstrap, topics)).values())


async def log_ends(bootstrap: str, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
    """The end of each partition of these topics.

    Read off the high-water marks of fetches: the embedded broker's answer to "which offset is the latest?" is the
    beginning of the last batch. Nothing is taken of what the client fetches by itself: it may hold records that the
    client can't read. Fails with the partitions that did not answer when the deadline passes.
    """
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="none", fetch_max_wait_ms=10, max_partition_fetch_bytes=1
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        end = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while unknown := [partition for partition in partitions if consumer.highwater(partition) is None]:
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"after {DEADLINE_SECONDS} s nothing was heard of {unknown}")
            await asyncio.sleep(PAUSE_SECONDS)
        return {partition: int(consumer.highwater(partition)) for partition in partitions}
    finally:
        with contextlib.suppress(TimeoutError):  # a client that was never answered may not come to an end by itself
            async with asyncio.timeout(CLOSE_SECONDS):
                await consumer.stop()
