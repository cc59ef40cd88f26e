"""Acquiring partitions, and stopping them where reading on would be wrong.

They are taken in the reader's loop and not in the rebalance listener, because aiokafka swallows what a listener raises.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from sqlalchemy.exc import DBAPIError

from shared.contracts import topics
from shared.database.database import DATABASE_AWAY
from shared.kafka.consumer import offsets, rewinds
from shared.kafka.consumer.assignment import Assignment
from shared.kafka.consumer.batch import OwnedPartition
from shared.kafka.consumer.offsets import Place
from shared.kafka.consumer.subscription import Subscription
from shared.service import metrics
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger

RETRY_SECONDS: Final = 1.0  # while PostgreSQL or the copy of the offsets at Kafka is waited for

log = get_logger(__name__)


class PartitionAcquirer:
    """Acquires partitions with one client, and stops them."""

    def __init__(self, subscription: Subscription, assignment: Assignment, client: Any) -> None:
        self._subscription = subscription
        self._assignment = assignment
        self._client = client

    async def acquire_missing(self) -> bool:
        """Acquires what is assigned and not held. Returns whether the database was found to be rewound.

        Before that it compares the database with what Kafka knows that it had stored. If the database was rewound,
        `on_rewound` is committed before any event is applied; where it can't be told, a consumer that has one acquires
        nothing, any other does.
        """
        now = asyncio.get_running_loop().time()
        missing = self._assignment.missing(self._client.assignment(), now=now)
        if not missing:
            return False
        beginnings = await self._client.beginning_offsets(missing)
        self._assignment.compared = False
        try:
            rewound = await self.compare()
            if not self._assignment.compared and self._subscription.on_rewound is not None:
                # What is applied now would soon hide what was lost: the offsets would have caught up.
                self._assignment.postpone(missing, until=now + RETRY_SECONDS)
                return False
            for partition in missing:
                await self._acquire(partition, beginnings[partition])
        except (DBAPIError, *DATABASE_AWAY) as error:
            log.warning("consumer.waits_for_postgresql", error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
            return False
        return rewound

    async def _acquire(self, partition: TopicPartition, beginning: int) -> None:
        place = self._place(*partition)
        async with self._subscription.database.work() as work:
            acquired = await offsets.acquire(work.connection, place, beginning=beginning)
        failpoint("consumer.after_take")
        held = OwnedPartition(place, acquired.epoch, acquired.next_offset, acquired.next_offset, acquired.stopped)
        if acquired.next_offset < beginning:
            held.stopped = _gone(acquired.next_offset, beginning)
        try:
            # A stopped one gets a position, too: without, the client would ask for it again and again.
            self._client.seek(partition, beginning if held.stopped else acquired.next_offset)
        except IllegalStateError:
            return  # revoked meanwhile
        if held.stopped:
            self.stop(partition, held, held.stopped)
        self._assignment.add(partition, held)

    async def compare(self) -> bool:
        """Returns whether the database was rewound.

        All partitions are compared, whoever has them. If the database was rewound, `on_rewound` is committed.
        """
        subscription = self._subscription
        places = [self._place(topic, number) for topic in subscription.topics for number in range(topics.PARTITIONS)]
        try:
            known = await rewinds.reached(subscription.brokers, subscription.group_id, places)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer.offsets_not_compared", error=repr(error))
            return False
        async with subscription.database.work() as work:
            found = await rewinds.find(work, known)
            if found and subscription.on_rewound is not None:
                await subscription.on_rewound(work, found)
        if found:
            failpoint("consumer.after_rewound")
            log.error("consumer.database_rewound", partitions=[str(one) for one in found])
        for one in found:
            metrics.database_rewound.labels(one.place.topic).inc()
        self._assignment.compared = True
        return bool(found)

    async def out_of_range(self, asked: Mapping[TopicPartition, int]) -> None:
        """Stops the partitions whose next record is not in the log; any other gets its position again."""
        beginnings = await self._client.beginning_offsets(list(asked))
        for partition, offset in asked.items():
            held = self._assignment.held.get(partition)
            if held is None or held.expected != offset:
                self._assignment.drop(partition)
                continue
            with contextlib.suppress(IllegalStateError):
                self._client.seek(partition, beginnings[partition])
            self.stop(
                partition,
                held,
                _gone(offset, beginnings[partition]) if offset < beginnings[partition] else _too_short(offset),
            )

    def stop_too_short(self, partition: TopicPartition, held: OwnedPartition) -> None:
        """Stops a partition whose log ends before what was read of it."""
        self.stop(partition, held, _too_short(held.expected))

    def stop(self, partition: TopicPartition, held: OwnedPartition, reason: str) -> None:
        """Stops a partition until an operator opens it."""
        held.stopped = reason
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile
            self._client.pause(partition)
        metrics.partition_stopped.labels(partition.topic, partition.partition, reason).set(1)
        log.error("consumer.partition_stopped", topic=partition.topic, partition=partition.partition, reason=reason)

    def _place(self, topic: str, partition: int) -> Place:
        return self._subscription.place(self._assignment.cluster_id, topic, partition)


def _gone(expected: int, beginning: int) -> str:
    return f"records {expected} to {beginning - 1} are gone (retention)"


def _too_short(expected: int) -> str:
    return f"the log ends before what was read ({expected})"
