"""What arrived on the bus, by source."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent
from tests.support.logs import log_ends

DEADLINE_SECONDS: Final = 60
FETCH_MILLISECONDS: Final = 100


class Bus:
    """Reads the events' topic from its beginning, and keeps what it has read."""

    def __init__(self, consumer: AIOKafkaConsumer, bootstrap: str) -> None:
        self._consumer = consumer
        self._bootstrap = bootstrap
        self._read: dict[str, list[Event]] = defaultdict(list)

    async def arrived(self, source_id: UUID, wanted: int) -> Sequence[Event]:
        """A source's events by the times that it stated, once there are so many; fails if there are more by now."""
        found = self._read[str(source_id)]
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while len(found) < wanted:
                    await self._read_on()
                for partition, end in (await log_ends(self._bootstrap, [topics.EVENTS])).items():
                    while await self._consumer.position(partition) < end:
                        await self._read_on()
        except TimeoutError:
            raise AssertionError(f"after {DEADLINE_SECONDS} s {len(found)} of {wanted} had come: {found}") from None
        assert len(found) == wanted, found
        return sorted(found, key=lambda event: event.stated_at or event.occurred_at)

    async def _read_on(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=FETCH_MILLISECONDS)).values():
            for record in records:
                event = wire.decode(record.headers, record.value)
                self._read[event.source_id].append(event)


def tracked(events: Sequence[Event]) -> Mapping[str, Event]:
    """The custom events among these, by their names."""
    return {event.body.name: event for event in events if isinstance(event.body, CustomEvent)}


@asynccontextmanager
async def open_bus(bootstrap: str) -> AsyncIterator[Bus]:
    """A reader of the events on this broker."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topics.EVENTS, number) for number in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield Bus(consumer, bootstrap)
    finally:
        await consumer.stop()
