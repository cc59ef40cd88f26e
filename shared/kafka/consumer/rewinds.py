"""Whether a database was rewound: restored from a backup, or replaced by one that never saw what was taken in.

A consumer copies to Kafka only what its database has stored. So what Kafka knows, read first, lies at or below what
the database knows, read after it; where it lies above, the database has lost something since. Each copy carries the
cluster and the generation that it speaks of, because offsets mean nothing in another log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.database.database import Work
from shared.kafka import topics as cluster
from shared.kafka.connection import Brokers
from shared.kafka.consumer.offsets import Place

READ_SECONDS: Final = 3  # a loop waits for this: shorter than a consumer's session
UNMARKED: Final = ""  # the embedded broker keeps no marks; it forgets its groups, too, when it starts
NAMED: Final = 3  # partitions that a text names before it only counts them


class Rewind(msgspec.Struct, frozen=True):
    """A partition whose stored offset lies below one that was stored before; 0 if the database has none at all."""

    place: Place
    stored: int
    reached: int

    def __str__(self) -> str:
        return f"{self.place.topic}/{self.place.partition} is at {self.stored} and was at {self.reached}"


OnRewound = Callable[[Work, Sequence[Rewind]], Awaitable[None]]


def mark(cluster_id: str, generation: int) -> str:
    """Returns what is written beside an offset that is copied to Kafka: the log that it speaks of."""
    return f"{cluster_id}/{generation}"


async def reached(brokers: Brokers, group: str, places: Sequence[Place]) -> dict[Place, int]:
    """Returns the offsets that a group has copied to Kafka, of those of these partitions that have one.

    Raises `KafkaError`, `OSError` or `TimeoutError` if that can't be read for every one of them.
    """
    wanted = {TopicPartition(place.topic, place.partition): place for place in places}
    async with asyncio.timeout(READ_SECONDS), cluster.admin(brokers) as admin:
        found = await admin.list_consumer_group_offsets(group, partitions=list(wanted))
    if wanted.keys() - found.keys():  # so the client answers when the group's coordinator is only starting
        raise KafkaError(f"the offsets of {group} can't be read now")
    return {
        place: found[partition].offset
        for partition, place in wanted.items()
        if found[partition].offset >= 0
        and found[partition].metadata in (UNMARKED, mark(place.cluster_id, place.generation))
    }


async def find(work: Work, known: Mapping[Place, int]) -> list[Rewind]:
    """Returns the partitions that the database has stored less of than is `known`, which must have been read before."""
    places = sorted(known)
    rows = await work.rows(
        "SELECT n.number, coalesce(o.next_offset, 0) AS stored FROM unnest(CAST(:clusters AS text[]), "
        "CAST(:generations AS bigint[]), CAST(:topics AS text[]), CAST(:partitions AS bigint[]), "
        "CAST(:known AS bigint[])) WITH ORDINALITY AS n(cluster_id, generation, topic, partition, known, number) "
        "LEFT JOIN consumer_offsets o USING (cluster_id, generation, topic, partition) "
        "WHERE n.known > coalesce(o.next_offset, 0) ORDER BY n.number",
        clusters=[place.cluster_id for place in places],
        generations=[place.generation for place in places],
        topics=[place.topic for place in places],
        partitions=[place.partition for place in places],
        known=[known[place] for place in places],
    )
    return [Rewind(places[row.number - 1], row.stored, known[places[row.number - 1]]) for row in rows]


def described(rewinds: Sequence[Rewind]) -> str:
    """Returns one line for people; names a few partitions and counts the rest."""
    named = ", ".join(map(str, rewinds[:NAMED]))
    return named if len(rewinds) <= NAMED else f"{named} and {len(rewinds) - NAMED} more"
