"""SQL on addresses that take no mail."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, row_as, rows_as, unnest


class StoredSuppression(msgspec.Struct, frozen=True, kw_only=True):
    """A suppressed address. Field names are column names."""

    id: UUID
    channel: str
    address: str
    reason: str
    suppressed_at: datetime


async def suppress(work: Work, message_id: UUID, channel: str, address: str, *, reason: str) -> bool:
    """Suppresses an address. Returns whether it was not suppressed already."""
    added = await work.run(
        """
        INSERT INTO suppressions (id, channel, address, reason, suppressed_at)
        VALUES (:id, :channel, :address, :reason, :now)
            ON CONFLICT DO NOTHING
        """,
        id=message_id,
        channel=channel,
        address=address,
        reason=reason,
        now=work.now,
    )
    return added > 0


async def suppressed(work: Work, channel: str, addresses: Iterable[str]) -> set[str]:
    """Returns those of the addresses that are suppressed."""
    rows = await work.rows(
        """
        SELECT address
          FROM suppressions
         WHERE channel = :channel AND address = ANY(CAST(:addresses AS text[]))
        """,
        channel=channel,
        addresses=sorted(set(addresses)),
    )
    return {row.address for row in rows}


async def page(
    work: Work, *, address: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StoredSuppression]:
    """Returns the suppressions after a position, newest first; of one address, if it is given."""
    at, last = after or (None, None)
    return await rows_as(
        work,
        StoredSuppression,
        f"""
        SELECT {columns(StoredSuppression)}
          FROM suppressions
         WHERE (CAST(:address AS text) IS NULL OR address = :address)
           AND (CAST(:at AS timestamptz) IS NULL OR (suppressed_at, id) < (:at, CAST(:last AS uuid)))
         ORDER BY suppressed_at DESC, id DESC
         LIMIT :limit
        """,
        address=address,
        at=at,
        last=last,
        limit=limit,
    )


async def lift(work: Work, suppression_id: UUID) -> StoredSuppression | None:
    """Ends a suppression. Returns what it was; None if there is none of that id."""
    return await row_as(
        work,
        StoredSuppression,
        f"DELETE FROM suppressions WHERE id = :id RETURNING {columns(StoredSuppression)}",
        id=suppression_id,
    )


async def add(work: Work, found: Sequence[StoredSuppression]) -> int:
    """Suppresses addresses. Returns how many were not suppressed already."""
    return await work.run(
        f"""
        INSERT INTO suppressions ({columns(StoredSuppression)})
        SELECT {columns(StoredSuppression, "n")}
          FROM {unnest(StoredSuppression, "n")}
            ON CONFLICT DO NOTHING
        """,
        **arrays(found, StoredSuppression),
    )
