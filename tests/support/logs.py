"""What lies in the broker's logs."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import PARTITIONS


async def log_end(bootstrap: str, topics: Sequence[str]) -> int:
    """The sum of the ends of all partitions of these topics.

    Read off the high-water marks of fetches: the embedded broker's answer to "which offset is the latest?" is the
    beginning of the last batch.
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
        while any(consumer.highwater(partition) is None for partition in partitions):
            await consumer.getmany(timeout_ms=50, max_records=1)
        return sum(int(consumer.highwater(partition)) for partition in partitions)
    finally:
        await consumer.stop()
