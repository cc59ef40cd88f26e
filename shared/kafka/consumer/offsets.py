"""Where a service stands in each partition: a row in its own database, moved in the transaction that does the work.

Acquiring a partition raises its epoch; a batch's transaction begins by swapping the offset where epoch and expected
offset match. So of two owners exactly one can commit, whatever the broker believes.
Keyed by cluster id and topic generation: offsets mean nothing in another log.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.envelope import Event

# Between two events of one origin in one partition lie those that the origin sent to the others: a few, or those of one
# customer's import. Records that were lost leave larger gaps, and then an operator goes on by hand.
MAX_GAP: Final = 1_000_000


class Place(msgspec.Struct, frozen=True, order=True):
    """One partition of one log."""

    cluster_id: str
    generation: int
    topic: str
    partition: int

    def key(self) -> dict[str, Any]:
        """Returns the row's primary key, as parameters."""
        return msgspec.structs.asdict(self)


class Acquired(msgspec.Struct, frozen=True):
    """What the new holder of a partition begins with."""

    epoch: int
    next_offset: int
    stopped: str | None


class Swapped(msgspec.Struct, frozen=True):
    """The partition's running counts after a swap, for the dead-letter breaker, and the sources that are blocked."""

    seen: int
    dead: int
    blocked: tuple[str, ...] = ()


class Doubtful(msgspec.Struct, frozen=True):
    """Positions in a batch: of events that were seen before, and of those whose sequence no origin can have reached."""

    repeated: frozenset[int] = frozenset()
    implausible: frozenset[int] = frozenset()


_KEY = "cluster_id = :cluster_id AND generation = :generation AND topic = :topic AND partition = :partition"


async def acquire(connection: AsyncConnection, place: Place, *, beginning: int) -> Acquired:
    """Makes the caller the holder. A log seen for the first time is read from `beginning`."""
    row = (
        await connection.execute(
            text(
                "INSERT INTO consumer_offsets AS o (cluster_id, topic, generation, partition, epoch, next_offset) "
                "VALUES (:cluster_id, :topic, :generation, :partition, 1, :beginning) "
                "ON CONFLICT (cluster_id, topic, generation, partition) DO UPDATE SET epoch = o.epoch + 1 "
                "RETURNING epoch, next_offset, stopped"
            ),
            {**place.key(), "beginning": beginning},
        )
    ).one()
    return Acquired(row.epoch, row.next_offset, row.stopped)


async def swap(
    connection: AsyncConnection, place: Place, *, epoch: int, expected: int, new: int, records: int, window: int
) -> Swapped | None:
    """Moves the offset from `expected` to `new`; None if another holder has the partition or has moved it.

    `seen` and `dead` are halved whenever `window` records have been seen, so that they speak of late times.
    """
    row = (
        await connection.execute(
            text(
                "UPDATE consumer_offsets SET next_offset = :new, "
                "seen = CASE WHEN seen > :window THEN seen / 2 ELSE seen END + :records, "
                "dead = CASE WHEN seen > :window THEN dead / 2 ELSE dead END "
                f"WHERE {_KEY} AND epoch = :epoch AND next_offset = :expected RETURNING seen, dead, "
                "ARRAY(SELECT source FROM blocked_sources) AS blocked"
            ),
            {**place.key(), "epoch": epoch, "expected": expected, "new": new, "records": records, "window": window},
        )
    ).first()
    return None if row is None else Swapped(row.seen, row.dead, tuple(row.blocked))


async def lock(connection: AsyncConnection, *, topic: str, partition: int) -> None:
    """Keeps every batch of this partition waiting until the transaction ends, whichever cluster's it is.

    Of all clusters: what follows one another under this lock, such as a lane's sequences, belongs to the partition.
    """
    await connection.execute(
        text(
            "SELECT 1 FROM consumer_offsets WHERE topic = :topic AND partition = :partition "
            "ORDER BY cluster_id, generation FOR UPDATE"
        ),
        {"topic": topic, "partition": partition},
    )


async def count_dead(connection: AsyncConnection, place: Place, dead: int, *, uncounted: int = 0) -> None:
    """Adds to the partition's count of dead letters; `uncounted` records are taken out of those that were seen."""
    await connection.execute(
        text(f"UPDATE consumer_offsets SET dead = dead + :dead, seen = seen - :uncounted WHERE {_KEY}"),
        {**place.key(), "dead": dead, "uncounted": uncounted},
    )


async def stop(connection: AsyncConnection, place: Place, *, epoch: int, reason: str) -> None:
    """Closes a partition until an operator opens it."""
    await connection.execute(
        text(f"UPDATE consumer_offsets SET stopped = :reason WHERE {_KEY} AND epoch = :epoch"),
        {**place.key(), "epoch": epoch, "reason": reason},
    )


async def resume(connection: AsyncConnection, *, accept: int = 0) -> int:
    """Opens every stopped partition and forgets its counts; how many were opened.

    `accept` more dead letters of each may come before the breaker counts again: when the records are wrong and not
    their reader, it would open at the same place for ever.
    """
    await connection.execute(
        text(
            "DELETE FROM refusal_counts r USING consumer_offsets o WHERE o.stopped IS NOT NULL "
            "AND (r.cluster_id, r.topic, r.generation, r.partition) "
            "= (o.cluster_id, o.topic, o.generation, o.partition)"
        )
    )
    result = await connection.execute(
        text(
            "UPDATE consumer_offsets SET stopped = NULL, seen = 0, dead = -CAST(:accept AS bigint) "
            "WHERE stopped IS NOT NULL"
        ),
        {"accept": accept},
    )
    return result.rowcount


async def note_caught_up(connection: AsyncConnection, moments: Sequence[tuple[Place, int, datetime]]) -> None:
    """Writes, for each (place, epoch), the moment up to which everything has been read."""
    await connection.execute(
        text(
            "UPDATE consumer_offsets o SET caught_up_to = greatest(o.caught_up_to, n.moment) "
            "FROM unnest(CAST(:clusters AS text[]), CAST(:generations AS bigint[]), CAST(:topics AS text[]), "
            "CAST(:partitions AS bigint[]), CAST(:epochs AS bigint[]), CAST(:moments AS timestamptz[])) "
            "AS n(cluster_id, generation, topic, partition, epoch, moment) "
            "WHERE o.cluster_id = n.cluster_id AND o.generation = n.generation AND o.topic = n.topic "
            "AND o.partition = n.partition AND o.epoch = n.epoch"
        ),
        {
            "clusters": [place.cluster_id for place, _, _ in moments],
            "generations": [place.generation for place, _, _ in moments],
            "topics": [place.topic for place, _, _ in moments],
            "partitions": [place.partition for place, _, _ in moments],
            "epochs": [epoch for _, epoch, _ in moments],
            "moments": [moment for _, _, moment in moments],
        },
    )


async def caught_up_to(
    connection: AsyncConnection, *, cluster_id: str, generation: int, partitions: int
) -> datetime | None:
    """Returns the moment up to which every one of `partitions` has been read; None while any has never been."""
    row = (
        await connection.execute(
            text(
                "SELECT count(caught_up_to) AS known, min(caught_up_to) AS moment FROM consumer_offsets "
                "WHERE cluster_id = :cluster_id AND generation = :generation"
            ),
            {"cluster_id": cluster_id, "generation": generation},
        )
    ).one()
    moment: datetime | None = row.moment
    return moment if row.known >= partitions else None


async def committed(
    connection: AsyncConnection, topics: Sequence[str], *, cluster_id: str, generation: int
) -> dict[Place, int]:
    """Returns the next offset of every partition of these topics that was ever taken."""
    rows = await connection.execute(
        text(
            "SELECT topic, partition, next_offset FROM consumer_offsets WHERE cluster_id = :cluster_id "
            "AND generation = :generation AND topic = ANY(CAST(:topics AS text[]))"
        ),
        {"cluster_id": cluster_id, "generation": generation, "topics": list(topics)},
    )
    return {Place(cluster_id, generation, row.topic, row.partition): row.next_offset for row in rows}


async def read_elsewhere(
    connection: AsyncConnection, topics: Sequence[str], *, cluster_id: str, generation: int
) -> list[Place]:
    """Returns the partitions of these topics of which records were read in another log than this one."""
    rows = await connection.execute(
        text(
            "SELECT cluster_id, generation, topic, partition FROM consumer_offsets "
            "WHERE (cluster_id, generation) <> (:cluster_id, :generation) "
            "AND topic = ANY(CAST(:topics AS text[])) AND next_offset > 0 "
            "ORDER BY cluster_id, generation, topic, partition"
        ),
        {"cluster_id": cluster_id, "generation": generation, "topics": list(topics)},
    )
    return [Place(row.cluster_id, row.generation, row.topic, row.partition) for row in rows]


async def doubtful(connection: AsyncConnection, place: Place, events: Iterable[Event]) -> Doubtful:
    """Marks the stamped events of a batch. Returns which were seen before, and which can't be believed.

    A reader keeps, per (its partition, origin), the highest sequence it has taken in. One that lies more than
    `MAX_GAP` above it moves no mark: it would have everything after it taken for a double, in silence. Must run in the
    transaction that swapped the partition's offset.
    """
    if not (stamped := stamped_of(events)):
        return Doubtful()
    rows = await connection.execute(
        text("SELECT origin, sequence FROM stream_marks WHERE topic = :topic AND partition = :partition"),
        {"topic": place.topic, "partition": place.partition},
    )
    moved, found = follow({row.origin: row.sequence for row in rows}, stamped)
    if moved:
        await connection.execute(
            text(
                "INSERT INTO stream_marks (topic, partition, origin, sequence) "
                "SELECT :topic, :partition, * FROM unnest(CAST(:origins AS bigint[]), CAST(:sequences AS bigint[])) "
                "ON CONFLICT (topic, partition, origin) DO UPDATE SET sequence = excluded.sequence"
            ),
            {
                "topic": place.topic,
                "partition": place.partition,
                "origins": [origin for origin, _ in moved],
                "sequences": [sequence for _, sequence in moved],
            },
        )
    return found


def stamped_of(events: Iterable[Event]) -> list[tuple[int, int, int]]:
    """Returns the position, the origin and the sequence of each event that is stamped."""
    return [(n, e.origin, e.sequence) for n, e in enumerate(events) if e.origin is not None and e.sequence is not None]


def follow(marks: Mapping[int, int], stamped: Iterable[tuple[int, int, int]]) -> tuple[list[tuple[int, int]], Doubtful]:
    """Returns the marks that stamped events move, and what is doubtful of these: (position, origin, sequence)."""
    after = dict(marks)
    seen: set[int] = set()
    implausible: set[int] = set()
    for position, origin, sequence in stamped:
        mark = after.get(origin)
        if mark is not None and sequence <= mark:
            seen.add(position)
        elif mark is not None and sequence - mark > MAX_GAP:
            implausible.add(position)
        else:
            after[origin] = sequence
    moved = sorted((origin, sequence) for origin, sequence in after.items() if marks.get(origin) != sequence)
    return moved, Doubtful(frozenset(seen), frozenset(implausible))


Marks = dict[int, dict[int, int]]  # by partition and origin, the highest sequence that was taken in


async def marks(connection: AsyncConnection, topic: str) -> Marks:
    """Returns how far the service has come in every lane of a topic, whatever table a rebuild keeps of its own."""
    rows = await connection.execute(
        text("SELECT partition, origin, sequence FROM public.stream_marks WHERE topic = :topic"), {"topic": topic}
    )
    found: Marks = {}
    for row in rows:
        found.setdefault(row.partition, {})[row.origin] = row.sequence
    return found


async def put_marks(connection: AsyncConnection, topic: str, marks: Marks) -> None:
    """Notes that a reader without marks has come so far, by what it has read elsewhere."""
    rows = [(one, origin, sequence) for one, lanes in marks.items() for origin, sequence in lanes.items()]
    await connection.execute(
        text(
            "INSERT INTO stream_marks (topic, partition, origin, sequence) "
            "SELECT :topic, * FROM unnest(CAST(:partitions AS bigint[]), CAST(:origins AS bigint[]), "
            "CAST(:sequences AS bigint[]))"
        ),
        {
            "topic": topic,
            "partitions": [partition for partition, _, _ in rows],
            "origins": [origin for _, origin, _ in rows],
            "sequences": [sequence for _, _, sequence in rows],
        },
    )
