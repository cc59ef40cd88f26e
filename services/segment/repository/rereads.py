"""SQL on customers of whom everything is read anew, since they were split."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from shared.database import of_customers
from shared.database.database import Work
from shared.database.rows import columns, row_as

# What is kept of a customer that is made of events: it is deleted, and made again.
DERIVED: Final = ("history", "occurrences", "orders", "customer_tags", "list_members")


class RereadRow(msgspec.Struct, kw_only=True):
    """A customer to read anew. `ends` says up to where to have read before; it is empty until profile was asked.

    `attempt` counts those who began; only the last may go on, and nobody else begins before `held_until`.
    """

    profile_id: UUID
    split_id: UUID
    split_at: datetime
    ends: str
    attempt: int


async def ask(work: Work, profile_ids: Iterable[UUID], *, split_id: UUID, split_at: datetime) -> None:
    """Asks that these customers be read anew, from the beginning; whoever is at it already begins again."""
    await work.run(
        """
        INSERT INTO rereads AS r (profile_id, split_id, split_at, asked_at)
        SELECT id, :split, :at, :now
          FROM unnest(CAST(:ids AS uuid[])) AS n(id)
         ORDER BY id
            ON CONFLICT (profile_id)
            DO UPDATE SET split_id = excluded.split_id, split_at = excluded.split_at, ends = '',
                          attempt = r.attempt + 1, held_until = NULL
        """,
        ids=sorted(set(profile_ids)),
        split=split_id,
        at=split_at,
        now=work.now,
    )


async def among(work: Work, profile_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Returns which of these customers are still to be read anew."""
    return await of_customers.among(work, "rereads", profile_ids)


async def claim(work: Work, *, hold: timedelta) -> RereadRow | None:
    """Begins an attempt at the customer who waits longest; nobody else does for as long as it is held."""
    return await row_as(
        work,
        RereadRow,
        f"""
        UPDATE rereads r
           SET attempt = r.attempt + 1, held_until = :until
          FROM (SELECT profile_id
                  FROM rereads
                 WHERE held_until IS NULL OR held_until <= :now
                 ORDER BY coalesce(held_until, asked_at), profile_id
                 LIMIT 1
                   FOR UPDATE SKIP LOCKED) n
         WHERE r.profile_id = n.profile_id
     RETURNING {columns(RereadRow, "r")}
        """,
        now=work.now,
        until=work.now + hold,
    )


async def hold(work: Work, row: RereadRow, until: datetime, *, ends: str | None = None) -> bool:
    """Holds an attempt until a moment, and notes its ends, if given. Returns whether it is still the last."""
    changed = await work.run(
        """
        UPDATE rereads
           SET held_until = :until, ends = coalesce(CAST(:ends AS text), ends)
         WHERE profile_id = :id AND attempt = :attempt
        """,
        id=row.profile_id,
        attempt=row.attempt,
        until=until,
        ends=ends,
    )
    return changed > 0


async def done(work: Work, row: RereadRow) -> bool:
    """Ends an attempt: the customer was read anew. Returns whether it was still the last."""
    return (
        await work.run(
            "DELETE FROM rereads WHERE profile_id = :id AND attempt = :attempt", id=row.profile_id, attempt=row.attempt
        )
        > 0
    )


async def move(work: Work, gone: Mapping[UUID, UUID]) -> None:
    """Has those read anew who stand for merged customers of whom that was asked."""
    rows = await work.rows(
        "DELETE FROM rereads WHERE profile_id = ANY(CAST(:ids AS uuid[])) RETURNING profile_id, split_id, split_at",
        ids=sorted(gone),
    )
    for row in rows:
        await ask(work, [gone[row.profile_id]], split_id=row.split_id, split_at=row.split_at)


async def delete_derived(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes what is kept of customers that is made of events."""
    await of_customers.delete(work, DERIVED, profile_ids)
