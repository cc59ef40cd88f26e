"""Reading the log again, in any part: without a group, and without moving anything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts import topics
from shared.kafka import topics as cluster
from shared.kafka import unreadable
from shared.kafka.answers import Answers
from shared.kafka.connection import Brokers, client_options
from shared.kafka.consumer.offsets import Place
from shared.kafka.dead_letters.dead_letter import Record
from shared.kafka.failures import failures_raise
from shared.kafka.producer import BrokerAway

BATCH_RECORDS: Final = 1_000
FETCH_WAIT_MILLISECONDS: Final = 20
POLL_MILLISECONDS: Final = 200
SILENT_SECONDS: Final = 10  # without an answer that brings the end nearer
CLOSE_SECONDS: Final = 5


class Part(msgspec.Struct, frozen=True):
    """Some records of one partition, in order, and the offset that follows what has been read of it."""

    place: Place
    records: Sequence[Record]
    next_offset: int


class LogReader:
    """Reads any part of the log of one cluster. Whatever fails raises `BrokerAway`."""

    def __init__(self, client: Any, cluster_id: str, *, batch_records: int) -> None:
        self._client = client
        self._batch_records = batch_records
        self.cluster_id = cluster_id

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the offset of the first record that each partition still has."""
        by_partition = {TopicPartition(place.topic, place.partition): place for place in places}
        with _away("asking where the log begins"):
            async with asyncio.timeout(SILENT_SECONDS):
                found = await self._client.beginning_offsets(list(by_partition))
        return {place: found[partition] for partition, place in by_partition.items()}

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Returns where the leaders of these partitions say that their logs end.

        The embedded broker says where its last batch begins; `upto` reads ends off fetches.
        """
        with _away("asking where the log ends"):
            async with asyncio.timeout(SILENT_SECONDS):
                found: dict[TopicPartition, int] = await self._client.end_offsets(partitions)
        return found

    async def upto(self, begin: Mapping[Place, int], end: Mapping[Place, int | None]) -> AsyncIterator[Part]:
        """Yields every record from `begin` until before `end`, which None makes the log's end as it is now.

        The last part of each partition brings its `next_offset` to its end. Raises `BrokerAway` when the broker
        falls silent: also if the log ends before `end`.
        """
        left = {TopicPartition(p.topic, p.partition): p for p, to in end.items() if to is None or begin[p] < to}
        if not left:
            return
        self._client.assign(list(left))
        position = {partition: begin[place] for partition, place in left.items()}
        for partition, offset in position.items():
            self._client.seek(partition, offset)

        def next_offset(partition: TopicPartition) -> int | None:
            to = end[left[partition]]
            return position[partition] if to is None or position[partition] < to else None

        now = asyncio.get_running_loop().time
        last_reply = now()
        answers = Answers()
        while left:
            async for partition, records in self._ask(list(left), next_offset):
                part = _part(left[partition], records, end[left[partition]])
                position[partition] = part.next_offset
                yield part
                last_reply = now()
            for partition, place in list(left.items()):
                if (reached := await self._reached(partition, position[partition], end[place], answers)) is not None:
                    del left[partition]
                    self._client.pause(partition)
                    yield Part(place, (), reached)
                    last_reply = now()
            if now() - last_reply > SILENT_SECONDS:
                raise BrokerAway(f"no more records of {', '.join(f'{p.topic}/{p.partition}' for p in left)}")

    async def _ask(
        self, partitions: Sequence[TopicPartition], next_offset: Callable[[TopicPartition], int | None]
    ) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
        """Gives what has come; with an `Unreadable` for each record that the client can't read."""
        with _away("reading"):
            try:
                found = await self._client.getmany(
                    *partitions, timeout_ms=POLL_MILLISECONDS, max_records=self._batch_records
                )
            except UnicodeDecodeError:
                found = None
            if found is None:
                for partition in partitions:
                    steps = unreadable.step_over(self._client, partition, partial(next_offset, partition))
                    async with contextlib.aclosing(steps):
                        async for records in steps:
                            yield partition, records
        for partition, records in (found or {}).items():
            yield partition, records

    async def _reached(self, partition: TopicPartition, read: int, end: int | None, answers: Answers) -> int | None:
        """The end, if it is reached. Markers and compaction leave gaps, so it is the client's position that counts.

        It stays before what the client can't read: `read` is what was read with that.
        """
        position: int = max(read, await self._client.position(partition))
        if end is not None:
            return end if position >= end else None
        # Ends are read off fetches: the embedded broker gives another "latest offset".
        high = self._client.highwater(partition)
        if high is None:
            return None
        claim = position if position >= high else None
        return position if answers.agree(partition, claim, self._client.last_poll_timestamp(partition)) else None


@asynccontextmanager
async def reading(
    brokers: Brokers, *, batch_records: int = BATCH_RECORDS, fetch_wait_ms: int = FETCH_WAIT_MILLISECONDS
) -> AsyncIterator[LogReader]:
    """Opens a reader of this broker's log. Raises `BrokerAway`."""
    client = AIOKafkaConsumer(
        **client_options(brokers),
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=fetch_wait_ms,
    )
    try:
        with _away("connecting"):
            async with cluster.admin(brokers) as admin:
                cluster_id = await cluster.cluster_id(admin)
            async with asyncio.timeout(SILENT_SECONDS):
                await client.start()
        yield LogReader(client, cluster_id, batch_records=batch_records)
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.stop()


async def read(brokers: Brokers, topic: str) -> list[Record]:
    """Returns every record of a topic from its beginning to its end, in order within each partition.

    Raises `BrokerAway` if the broker falls silent. The topic must exist.
    """
    async with reading(brokers) as log:
        places = [Place(log.cluster_id, 1, topic, number) for number in range(topics.PARTITIONS)]
        begin = await log.beginnings(places)
        return [record async for part in log.upto(begin, dict.fromkeys(places)) for record in part.records]


async def ends(brokers: Brokers, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Returns where the leaders of these partitions say that their logs end.

    Raises `BrokerAway` if one does not answer.
    """
    async with reading(brokers) as log:
        return await log.ends(partitions)


def _part(place: Place, records: Sequence[Any], end: int | None) -> Part:
    kept = [Record(r.offset, r.key, r.headers, r.value, r.timestamp) for r in records if end is None or r.offset < end]
    following = records[-1].offset + 1
    return Part(place, kept, following if end is None else min(following, end))


@contextlib.contextmanager
def _away(doing: str) -> Iterator[None]:
    try:
        with failures_raise():
            yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAway(f"{doing}: {error!r}") from error
