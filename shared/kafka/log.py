"""Reading a whole log: without a group, and without moving anything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka.dead_letters import Record
from shared.kafka.failures import failures_raise
from shared.kafka.producer import BrokerAway

FETCH_WAIT_MILLISECONDS: Final = 20
POLL_MILLISECONDS: Final = 200
SILENT_SECONDS: Final = 10  # without an answer that brings the end nearer
CLOSE_SECONDS: Final = 5


async def read(bootstrap: str, topic: str) -> list[Record]:
    """Every record of a topic from its beginning to its end, in order within each partition.

    Raises `BrokerAway` if the broker falls silent. The topic must exist.
    """
    async with _client(bootstrap, topic) as (client, deadline):
        return await _read(client, deadline)


async def ends(bootstrap: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the leaders of these partitions say that their logs end: the embedded one, where its last batch begins.

    Raises `BrokerAway` if one of them does not answer.
    """
    async with _client(bootstrap) as (client, _):
        found: dict[TopicPartition, int] = await client.end_offsets(partitions)
    return found


@asynccontextmanager
async def _client(bootstrap: str, *topics: str) -> AsyncIterator[tuple[Any, asyncio.Timeout]]:
    """A client and its deadline, which who hears something may put off; what fails inside is a `BrokerAway`."""
    client = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
    )
    try:
        with failures_raise():
            async with asyncio.timeout(SILENT_SECONDS) as deadline:
                await client.start()
                yield client, deadline
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAway(f"reading {', '.join(topics) or 'where logs end'}: {error!r}") from error
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.stop()


async def _read(client: Any, deadline: asyncio.Timeout) -> list[Record]:
    found: list[Record] = []
    unfinished: dict[TopicPartition, tuple[int, int] | None] = dict.fromkeys(client.assignment())
    while unfinished:
        for records in (await client.getmany(timeout_ms=POLL_MILLISECONDS)).values():
            found += [Record(r.offset, r.key, r.headers, r.value, r.timestamp) for r in records]
            deadline.reschedule(asyncio.get_running_loop().time() + SILENT_SECONDS)
        for partition, seen in list(unfinished.items()):
            now = await _end(client, partition)
            if now is not None and seen is not None and now[0] == seen[0] and now[1] > seen[1]:
                del unfinished[partition]
            elif now is None or seen is None or now[0] != seen[0]:
                unfinished[partition] = now
    return found


async def _end(client: Any, partition: TopicPartition) -> tuple[int, int] | None:
    """The position, if the last answer says that it is the log's end, and when that answer came.

    Ends are read off fetches, and only a second answer at the same position counts: the embedded broker gives
    another "latest offset", and may send a high-water mark from before its records came.
    """
    position: int = await client.position(partition)
    high = client.highwater(partition)
    if high is None or position < high:
        return None
    return position, client.last_poll_timestamp(partition)
