"""Reading parts of the log again, in any amount: without a group, and without moving anything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import topics as cluster
from shared.kafka.dead_letters import Record
from shared.kafka.failures import failures_raise
from shared.kafka.offsets import Place
from shared.kafka.producer import BrokerAway

POLL_MILLISECONDS: Final = 200
SILENT_SECONDS: Final = 10  # without an answer that brings the end nearer
CLOSE_SECONDS: Final = 5


class Part(msgspec.Struct, frozen=True):
    """Some records of one partition, in order, and the offset that follows what has been read of it."""

    place: Place
    records: Sequence[Record]
    next_offset: int


class Replay:
    """Reads any part of the log of one cluster."""

    def __init__(self, client: Any, cluster_id: str, *, batch_records: int) -> None:
        self._client = client
        self._batch_records = batch_records
        self.cluster_id = cluster_id

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset of the first record that each partition still has."""
        by_partition = {TopicPartition(place.topic, place.partition): place for place in places}
        with _away("asking where the log begins"):
            async with asyncio.timeout(SILENT_SECONDS):
                found = await self._client.beginning_offsets(list(by_partition))
        return {place: found[partition] for partition, place in by_partition.items()}

    async def upto(self, begin: Mapping[Place, int], end: Mapping[Place, int | None]) -> AsyncIterator[Part]:
        """Every record from `begin` until before `end`, which None makes the log's end as it is now.

        The last part of each partition brings its `next_offset` to its end. Raises `BrokerAway` when the broker
        falls silent: also if the log ends before `end`.
        """
        left = {TopicPartition(p.topic, p.partition): p for p, to in end.items() if to is None or begin[p] < to}
        if not left:
            return
        self._client.assign(list(left))
        for partition, place in left.items():
            self._client.seek(partition, begin[place])
        now = asyncio.get_running_loop().time
        heard = now()
        while left:
            with _away("reading"):
                found = await self._client.getmany(*left, timeout_ms=POLL_MILLISECONDS, max_records=self._batch_records)
            for partition, records in found.items():
                yield _part(left[partition], records, end[left[partition]])
                heard = now()
            for partition, place in list(left.items()):
                if (reached := await self._done(partition, end[place])) is not None:
                    del left[partition]
                    self._client.pause(partition)
                    yield Part(place, (), reached)
                    heard = now()
            if now() - heard > SILENT_SECONDS:
                raise BrokerAway(f"no more records of {', '.join(f'{p.topic}/{p.partition}' for p in left)}")

    async def _done(self, partition: TopicPartition, end: int | None) -> int | None:
        """The end, if it is reached. Markers and compaction leave gaps, so it is the position that counts."""
        position: int = await self._client.position(partition)
        if end is not None:
            return end if position >= end else None
        # Ends are read off fetches: the embedded broker gives another "latest offset". It may also send a mark from
        # before its records came: then this is the end as it was a moment ago.
        high = self._client.highwater(partition)
        return position if high is not None and position >= high else None


@asynccontextmanager
async def replaying(bootstrap: str, *, batch_records: int, fetch_wait_ms: int) -> AsyncIterator[Replay]:
    """A reader of this broker's log. Raises `BrokerAway`."""
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=fetch_wait_ms,
    )
    try:
        with _away("connecting"):
            async with cluster.admin(bootstrap) as admin:
                cluster_id = await cluster.cluster_id(admin)
            async with asyncio.timeout(SILENT_SECONDS):
                await client.start()
        yield Replay(client, cluster_id, batch_records=batch_records)
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.stop()


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
