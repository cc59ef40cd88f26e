"""Offsets and marks of several partitions of one topic, each moved as `offsets` does for one."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.envelope import Event
from shared.database.sql import sql
from shared.kafka.consumer.offsets import Doubtful, Place, follow, stamped_of


class Swap(msgspec.Struct, frozen=True):
    """A partition, the holder's epoch, where it stands and is to stand, and how many records lie between."""

    place: Place
    epoch: int
    expected: int
    new: int
    records: int


async def swap(connection: AsyncConnection, swaps: Sequence[Swap], *, window: int) -> frozenset[str] | None:
    """Moves the offsets of several partitions. Returns the sources that are blocked.

    Returns None if another holder has one of the partitions or has moved it: then the caller rolls back.
    """
    rows = (
        await connection.execute(
            sql(
                """
                UPDATE consumer_offsets o
                   SET next_offset = n.new,
                       seen = CASE WHEN o.seen > :window THEN o.seen / 2 ELSE o.seen END + n.records,
                       dead = CASE WHEN o.seen > :window THEN o.dead / 2 ELSE o.dead END
                  FROM unnest(CAST(:clusters AS text[]), CAST(:generations AS bigint[]), CAST(:topics AS text[]),
                              CAST(:partitions AS bigint[]), CAST(:epochs AS bigint[]), CAST(:expected AS bigint[]),
                              CAST(:new AS bigint[]), CAST(:records AS bigint[]))
                       AS n(cluster_id, generation, topic, partition, epoch, expected, new, records)
                 WHERE o.cluster_id = n.cluster_id AND o.generation = n.generation AND o.topic = n.topic
                   AND o.partition = n.partition AND o.epoch = n.epoch AND o.next_offset = n.expected
             RETURNING ARRAY(SELECT source FROM blocked_sources) AS blocked
                """
            ),
            {
                "window": window,
                "clusters": [one.place.cluster_id for one in swaps],
                "generations": [one.place.generation for one in swaps],
                "topics": [one.place.topic for one in swaps],
                "partitions": [one.place.partition for one in swaps],
                "epochs": [one.epoch for one in swaps],
                "expected": [one.expected for one in swaps],
                "new": [one.new for one in swaps],
                "records": [one.records for one in swaps],
            },
        )
    ).all()
    return frozenset(rows[0].blocked) if len(rows) == len(swaps) else None


async def doubtful(
    connection: AsyncConnection, topic: str, events: Mapping[int, Sequence[Event]]
) -> dict[int, Doubtful]:
    """Marks the stamped events of batches, by partition. Returns what `offsets.doubtful` does of each.

    Must run in the transaction that swapped the partitions' offsets.
    """
    stamped = {partition: stamps for partition, several in events.items() if (stamps := stamped_of(several))}
    if not stamped:
        return {partition: Doubtful() for partition in events}
    rows = await connection.execute(
        sql(
            """
            SELECT partition, origin, sequence
              FROM stream_marks
             WHERE topic = :topic AND partition = ANY(CAST(:partitions AS bigint[]))
            """
        ),
        {"topic": topic, "partitions": list(stamped)},
    )
    marks: dict[int, dict[int, int]] = {partition: {} for partition in stamped}
    for row in rows:
        marks[row.partition][row.origin] = row.sequence
    moved: list[tuple[int, int, int]] = []
    found: dict[int, Doubtful] = {partition: Doubtful() for partition in events}
    for partition, several in stamped.items():
        moves, found[partition] = follow(marks[partition], several)
        moved += [(partition, origin, sequence) for origin, sequence in moves]
    if moved:
        await connection.execute(
            sql(
                """
                INSERT INTO stream_marks (topic, partition, origin, sequence)
                SELECT :topic, *
                  FROM unnest(CAST(:partitions AS bigint[]), CAST(:origins AS bigint[]), CAST(:sequences AS bigint[]))
                    ON CONFLICT (topic, partition, origin) DO UPDATE SET sequence = excluded.sequence
                """
            ),
            {
                "topic": topic,
                "partitions": [partition for partition, _, _ in moved],
                "origins": [origin for _, origin, _ in moved],
                "sequences": [sequence for _, _, sequence in moved],
            },
        )
    return found
