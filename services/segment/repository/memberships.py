"""SQL on memberships: who is in which segment, since when, and when that has to be looked at again."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain.membership import MembershipState
from services.segment.repository import of_customers
from shared.database.database import Work
from shared.database.rows import arrays, columns, rows_as, upsert

LOCK_SECONDS: Final = 3  # whoever asks for a table after a lock that waits, waits too: let them go on, try again
_KEY: Final = ("profile_id", "segment_id")


class MembershipRow(msgspec.Struct, kw_only=True):
    """What is known of a customer and a segment: of most there is no row, and they are not in it."""

    profile_id: UUID
    segment_id: str
    version: int
    member: bool
    since: datetime
    due_at: datetime | None = None


class SizeRow(msgspec.Struct, kw_only=True):
    """How many customers are in a segment."""

    segment_id: str
    members: int


Known = dict[str, MembershipState]
"""What is known of a customer, by segment."""

packed: Final = msgspec.msgpack.Encoder(order="deterministic").encode  # what is equal is packed to equal bytes
unpacked: Final = msgspec.msgpack.Decoder(Known).decode


async def of(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Known]:
    """Returns what is known of these customers, by customer and segment."""
    rows = await work.rows(
        "SELECT profile_id, known FROM customer_segments WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {profile_id: unpacked(known) for profile_id, known in rows}


async def save(work: Work, changed: Mapping[UUID, Known], before: Mapping[UUID, Known], live: Container[str]) -> None:
    """Stores what changed of locked customers, of whom that was known before; of what is not live nothing stays.

    What neither is a membership nor has a due time is deleted.
    """
    ids = sorted(one for one, of_one in changed.items() if of_one)
    rows = [row_of(one, name, state) for one in ids for name, state in sorted(changed[one].items())]
    kept = [one for one in rows if one.member or one.due_at]
    gone = [one for one in rows if not one.member and one.due_at is None]
    if kept:
        await work.run(upsert("memberships", MembershipRow, key=_KEY), **arrays(kept, MembershipRow))
    if gone:
        await work.run(
            """
            DELETE FROM memberships m
             USING unnest(CAST(:ids AS uuid[]), CAST(:segments AS text[])) AS g(profile_id, segment_id)
             WHERE m.profile_id = g.profile_id AND m.segment_id = g.segment_id
            """,
            ids=[one.profile_id for one in gone],
            segments=[one.segment_id for one in gone],
        )
    if ids:
        await work.run(
            """
            INSERT INTO customer_segments AS c (profile_id, known)
            SELECT n.profile_id, n.known
              FROM unnest(CAST(:ids AS uuid[]), CAST(:known AS bytea[])) AS n(profile_id, known)
                ON CONFLICT (profile_id)
                DO UPDATE SET known = excluded.known
            """,
            ids=ids,
            known=[packed(_after(before.get(one, {}), changed[one], live)) for one in ids],
        )


def _after(before: Known, changed: Known, live: Container[str]) -> Known:
    """Returns what is known now, of what is live: memberships, and what is due."""
    after = {**before, **changed}
    for name in [one for one in before if one not in live]:
        after.pop(name)
    for name, one in changed.items():
        if not one.member and one.due_at is None:
            after.pop(name, None)
    return after


def row_of(profile_id: UUID, name: str, one: MembershipState) -> MembershipRow:
    """Returns the row of what is known of a customer and a segment."""
    return MembershipRow(
        profile_id=profile_id,
        segment_id=name,
        version=one.version,
        member=one.member,
        since=one.since,
        due_at=one.due_at,
    )


async def claim_due(work: Work, now: datetime, *, limit: int) -> list[UUID]:
    """Locks customers of whom a membership is due and whom nobody else works on, the longest due first."""
    rows = await work.rows(
        """
          WITH due AS MATERIALIZED (
               SELECT DISTINCT profile_id
                 FROM (SELECT m.profile_id
                         FROM memberships m
                        WHERE m.due_at <= :now
                          AND NOT EXISTS (SELECT FROM rereads r WHERE r.profile_id = m.profile_id)
                        ORDER BY m.due_at
                        LIMIT :limit) d
               )
        SELECT s.profile_id
          FROM standings s
          JOIN due USING (profile_id)
         ORDER BY s.profile_id
           FOR UPDATE OF s SKIP LOCKED
        """,
        now=now,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def drop_due(work: Work, profile_ids: Iterable[UUID], live: Iterable[str]) -> None:
    """Makes nothing due any more of these customers and of segments that are not among these."""
    await work.run(
        """
        UPDATE memberships
           SET due_at = NULL
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND due_at IS NOT NULL
           AND NOT segment_id = ANY(CAST(:live AS text[]))
        """,
        ids=sorted(set(profile_ids)),
        live=sorted(live),
    )


async def wait_for_batches(work: Work) -> None:
    """Returns when every transaction that made or changed customers has ended; until this one ends, none begins to.

    A transaction calls this before it holds any customer.
    """
    await work.run(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    await work.run("LOCK TABLE standings IN SHARE ROW EXCLUSIVE MODE")


async def next_customers(work: Work, after: UUID | None, *, limit: int) -> list[UUID]:
    """Locks the next customers after an id."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM standings
         WHERE CAST(:after AS uuid) IS NULL OR profile_id > :after
         ORDER BY profile_id
         LIMIT :limit
           FOR UPDATE
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def members(work: Work, segment_id: str, *, after: UUID | None, limit: int) -> Sequence[MembershipRow]:
    """Returns a page of the customers in a segment, by id."""
    return await rows_as(
        work,
        MembershipRow,
        f"""
        SELECT {columns(MembershipRow)}
          FROM memberships
         WHERE segment_id = :segment AND member AND (CAST(:after AS uuid) IS NULL OR profile_id > :after)
         ORDER BY profile_id
         LIMIT :limit
        """,
        segment=segment_id,
        after=after,
        limit=limit,
    )


async def sizes(work: Work) -> Sequence[SizeRow]:
    """Returns how many customers are in each segment that has any."""
    return await rows_as(
        work,
        SizeRow,
        "SELECT segment_id, count(*) AS members FROM memberships WHERE member GROUP BY segment_id ORDER BY segment_id",
    )


async def segments(work: Work) -> list[str]:
    """Returns the ids of all segments that have rows."""
    rows = await work.rows("SELECT DISTINCT segment_id FROM memberships ORDER BY segment_id")
    return [row.segment_id for row in rows]


async def overlap(work: Work, one: str, other: str) -> int:
    """Returns how many customers are in both segments."""
    row = await work.row(
        """
        SELECT count(*) AS members
          FROM memberships a
          JOIN memberships b USING (profile_id)
         WHERE a.segment_id = :one AND a.member AND b.segment_id = :other AND b.member
        """,
        one=one,
        other=other,
    )
    assert row is not None
    return int(row.members)


async def next_of_segment(work: Work, segment_id: str, after: UUID, *, limit: int) -> list[UUID]:
    """Returns the next customers after an id of whom a segment has a row."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM memberships
         WHERE segment_id = :segment AND profile_id > :after AND (member OR due_at IS NOT NULL)
         ORDER BY profile_id
         LIMIT :limit
        """,
        segment=segment_id,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def end(work: Work, segment_id: str, profile_ids: Iterable[UUID]) -> list[UUID]:
    """Deletes a segment's rows of locked customers. Returns those who were members, in order."""
    rows = await work.rows(
        """
        DELETE FROM memberships
         WHERE segment_id = :segment AND profile_id = ANY(CAST(:ids AS uuid[]))
     RETURNING profile_id, member
        """,
        segment=segment_id,
        ids=list(profile_ids),
    )
    return sorted(row.profile_id for row in rows if row.member)


async def remove_segment(work: Work, segment_id: str, *, limit: int) -> int:
    """Deletes rows of a segment that is not live any more. Returns how many."""
    return await work.run(
        """
        DELETE FROM memberships
         WHERE (profile_id, segment_id) IN (
               SELECT profile_id, segment_id
                 FROM memberships
                WHERE segment_id = :segment
                LIMIT :limit
                  FOR UPDATE SKIP LOCKED)
        """,
        segment=segment_id,
        limit=limit,
    )


async def remove(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes the rows of these customers."""
    await of_customers.delete(work, ("memberships", "customer_segments"), profile_ids)


async def raise_versions(work: Work, by: Mapping[UUID, int]) -> dict[UUID, int]:
    """Raises the versions of locked customers' standings by so many changes to publish. Returns the new ones."""
    ids = sorted(by)
    rows = await work.rows(
        """
        UPDATE standings s SET version = s.version + n.changes
          FROM unnest(CAST(:ids AS uuid[]), CAST(:changes AS bigint[])) AS n(profile_id, changes)
         WHERE s.profile_id = n.profile_id
     RETURNING s.profile_id, s.version
        """,
        ids=ids,
        changes=[by[one] for one in ids],
    )
    return {row.profile_id: row.version for row in rows}
