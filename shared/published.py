"""What a broker that keeps nothing has acknowledged: kept by its writer until every reader has it.

Invariant: a record that was in the outbox of a committed transaction is in `outbox`, or in `published`, or every group
that reads its topic has committed an offset above it. A row of `published` names the cluster that acknowledged the
record, and its place there. Rows of clusters that are gone become outbox rows again, under their old ids, before
anything newer is sent: so the relay publishes them in their old order (docs/decisions/0034).

Every statement that moves rows holds the relay's lease, so that a relay that froze moves nothing when it wakes.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.sql import sql
from shared.kafka.producer import LogPosition

AGAIN_ROWS: Final = 10_000  # moved back at a time: some 50 ms


class LeaseLost(Exception):
    """Another relay holds the lease: what this one was about to note is not so any more."""


class Passed(msgspec.Struct, frozen=True):
    """Below which offset every group has committed, in one partition."""

    topic: str
    partition: int
    offset: int


async def keep(
    connection: AsyncConnection, holder: UUID, cluster_id: str, acknowledged: Mapping[int, LogPosition]
) -> None:
    """Moves acknowledged outbox rows here, with their places. Raises `LeaseLost`."""
    await _fence(connection, holder, waits_for_disk=False)
    ids = sorted(acknowledged)
    await connection.execute(
        sql(
            """
            WITH gone AS (
                DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))
                RETURNING id, topic, key, headers, value
            )
            INSERT INTO published (id, cluster_id, topic, partition, record_offset, key, headers, value)
            SELECT gone.id, :cluster_id, gone.topic, n.partition, n.record_offset, gone.key, gone.headers, gone.value
            FROM gone
            JOIN unnest(CAST(:ids AS bigint[]), CAST(:partitions AS bigint[]), CAST(:offsets AS bigint[]))
                AS n(id, partition, record_offset) USING (id)
            """
        ),
        {
            "cluster_id": cluster_id,
            "ids": ids,
            "partitions": [acknowledged[one].partition for one in ids],
            "offsets": [acknowledged[one].offset for one in ids],
        },
    )


async def send_again(connection: AsyncConnection, holder: UUID, cluster_id: str) -> int:
    """Moves rows of other clusters than this one back to the outbox, `AGAIN_ROWS` at most. Returns how many.

    Raises `LeaseLost`.
    """
    await _fence(connection, holder, waits_for_disk=True)
    result = await connection.execute(
        sql(
            """
            WITH gone AS (
                DELETE FROM published WHERE id IN (
                    SELECT id FROM published WHERE cluster_id <> :cluster_id ORDER BY id LIMIT :most
                )
                RETURNING id, topic, key, headers, value
            )
            INSERT INTO outbox (id, topic, key, headers, value) OVERRIDING SYSTEM VALUE
            SELECT id, topic, key, headers, value FROM gone
            """
        ),
        {"cluster_id": cluster_id, "most": AGAIN_ROWS},
    )
    return result.rowcount


async def mark(connection: AsyncConnection) -> int:
    """Returns a number above that of every row that is here now."""
    row = (
        await connection.execute(sql("SELECT nextval(pg_get_serial_sequence('published', 'number')) AS number"))
    ).one()
    return int(row.number)


async def forget(
    connection: AsyncConnection, holder: UUID, cluster_id: str, passed: Sequence[Passed], *, below: int
) -> int:
    """Deletes what every reader has of this cluster, of the rows numbered `below`. Returns how many.

    `passed` was answered by that cluster after the number was drawn: so it speaks of all these rows. Raises
    `LeaseLost`.
    """
    await _fence(connection, holder, waits_for_disk=False)
    result = await connection.execute(
        sql(
            """
            DELETE FROM published p
            USING unnest(CAST(:topics AS text[]), CAST(:partitions AS bigint[]), CAST(:offsets AS bigint[]))
                AS n(topic, partition, record_offset)
            WHERE p.cluster_id = :cluster_id AND p.number < :below
              AND p.topic = n.topic AND p.partition = n.partition AND p.record_offset < n.record_offset
            """
        ),
        {
            "cluster_id": cluster_id,
            "below": below,
            "topics": [one.topic for one in passed],
            "partitions": [one.partition for one in passed],
            "offsets": [one.offset for one in passed],
        },
    )
    return result.rowcount


async def is_empty(connection: AsyncConnection) -> bool:
    """Returns whether nothing is kept."""
    return (await connection.execute(sql("SELECT 1 FROM published LIMIT 1"))).first() is None


async def kept_bytes(connection: AsyncConnection) -> int:
    """Returns what waits to be published and what is kept, as it was written: PostgreSQL may hold it compressed.

    The sizes stand in the rows; no value is read for it.
    """
    row = (
        await connection.execute(
            sql(
                """
                SELECT (SELECT coalesce(sum(octet_length(value)), 0) FROM outbox)
                    + (SELECT coalesce(sum(octet_length(value)), 0) FROM published) AS bytes
                """
            )
        )
    ).one()
    return int(row.bytes)


async def _fence(connection: AsyncConnection, holder: UUID, *, waits_for_disk: bool) -> None:
    """Holds the lease's row until the transaction ends. A mark or a deletion that a crash takes back is made again."""
    if not waits_for_disk:
        await connection.execute(sql("SET LOCAL synchronous_commit = off"))
    row = await connection.execute(
        sql("SELECT 1 FROM leases WHERE name = 'relay' AND holder = :holder FOR SHARE"), {"holder": holder}
    )
    if row.first() is None:
        raise LeaseLost
