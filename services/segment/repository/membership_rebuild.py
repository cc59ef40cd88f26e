"""SQL of a rebuild of memberships: `rebuild` is the schema that is filled, `public` what the service holds."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.segment.repository.memberships import Known, MembershipRow, PackedKnown, earliest_due, packed
from shared.database.database import Work
from shared.database.rows import arrays, columns, rows_as, unnest

SEGMENT: Final = "segment:"
"""Begins the kind, among what was published to readers, that stands for a segment."""

# What was published last of a customer and a segment: `entered/` or `exited/`, and when.
_LAST_TURNS = f"""
        SELECT profile_id,
               substr(kind, {len(SEGMENT) + 1}) AS segment_id,
               split_part(value, '/', 1) = 'entered' AS member,
               CAST(split_part(value, '/', 2) AS timestamptz) AS at
          FROM rebuild.published
         WHERE starts_with(kind, '{SEGMENT}')
"""


class LastTurn(msgspec.Struct, kw_only=True):
    """What readers were told last of a customer and a segment."""

    profile_id: UUID
    segment_id: str
    member: bool
    at: datetime


class Disagreement(msgspec.Struct, kw_only=True):
    """A membership that is another than readers know; `version` is the last one published of the customer."""

    profile_id: UUID
    segment_id: str
    member: bool
    version: int


async def make_touched(work: Work) -> None:
    """Makes the table of customers whom a part of the log was about, and who are not looked at yet."""
    await work.run("CREATE UNLOGGED TABLE rebuild.touched (profile_id uuid PRIMARY KEY)")


async def touch(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Notes customers who are to be looked at."""
    await work.run(
        """
        INSERT INTO rebuild.touched (profile_id)
        SELECT id FROM unnest(CAST(:ids AS uuid[])) AS n(id)
            ON CONFLICT DO NOTHING
        """,
        ids=sorted(set(profile_ids)),
    )


async def touch_all(work: Work) -> None:
    """Notes that all customers are to be looked at."""
    await work.run("INSERT INTO rebuild.touched SELECT profile_id FROM rebuild.standings ON CONFLICT DO NOTHING")


async def touch_moved(work: Work) -> None:
    """Notes the customers whose standing the service looked at after the shadow did, or before."""
    await work.run(
        """
        INSERT INTO rebuild.touched (profile_id)
        SELECT s.profile_id
          FROM rebuild.standings s
          JOIN public.standings l USING (profile_id)
         WHERE s.evaluated_at IS DISTINCT FROM l.evaluated_at
            ON CONFLICT DO NOTHING
        """
    )


async def touch_outrun(work: Work) -> None:
    """Notes the customers of whom the service knows something else than the shadow.

    It has looked at them since, as time passed, or by a new definition; or what it knows is not as it should be: they
    are looked at once more, and the shadow is right.
    """
    await work.run(
        """
        INSERT INTO rebuild.touched (profile_id)
        SELECT profile_id
          FROM rebuild.customer_segments s
          FULL JOIN public.customer_segments l USING (profile_id)
         WHERE s.known IS DISTINCT FROM l.known
            ON CONFLICT DO NOTHING
        """
    )


async def next_touched(work: Work, after: UUID, *, limit: int) -> list[UUID]:
    """Returns the next customers after an id who are to be looked at, as far as they are customers."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM rebuild.touched
          JOIN rebuild.standings USING (profile_id)
         WHERE profile_id > :after
         ORDER BY profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def met(work: Work, profile_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Returns which of these the service has met: it holds them, has told readers of them, or has read what they did.

    What customers did is taken in as far as the service has read it, and no further; how they are, as it is by now.
    """
    rows = await work.rows(
        """
        SELECT profile_id FROM public.standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         UNION
        SELECT profile_id FROM rebuild.published WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         UNION
        SELECT profile_id FROM rebuild.occurrences WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         UNION
        SELECT profile_id FROM rebuild.orders WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=sorted(set(profile_ids)),
    )
    return frozenset(row.profile_id for row in rows)


async def leave_to_service(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Makes these customers new to the service: whatever profile says of them next is news, and they are looked at."""
    await work.run(
        "UPDATE rebuild.customers SET version = -1 WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )


async def forget_touched(work: Work) -> None:
    """Notes that all who were to be looked at have been."""
    await work.run("DELETE FROM rebuild.touched")


async def of_service(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Known]:
    """Returns what the service knows of these customers, as far as it knows anything."""
    rows = await work.rows(
        "SELECT profile_id, known FROM public.customer_segments WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {profile_id: PackedKnown(known) for profile_id, known in rows}


async def last_turns(work: Work, profile_ids: Iterable[UUID]) -> dict[tuple[UUID, str], LastTurn]:
    """Returns what readers were told last of these customers, by customer and segment."""
    rows = await rows_as(
        work,
        LastTurn,
        f"SELECT {columns(LastTurn)} FROM ({_LAST_TURNS}) t WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {(row.profile_id, row.segment_id): row for row in rows}


async def replace(
    work: Work,
    profile_ids: Iterable[UUID],
    rows: Sequence[MembershipRow],
    known: Mapping[UUID, Known],
    in_force: Iterable[str],
) -> None:
    """Makes these the shadow's rows of these customers: members of segments in force, and all that is known."""
    ids = sorted(set(profile_ids))
    await work.run(
        """
        DELETE FROM rebuild.memberships
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND segment_id = ANY(CAST(:in_force AS text[]))
        """,
        ids=ids,
        in_force=list(in_force),
    )
    await work.run("DELETE FROM rebuild.customer_segments WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=ids)
    names = ", ".join(MembershipRow.__struct_fields__)
    await work.run(
        f"INSERT INTO rebuild.memberships ({names}) SELECT {names} FROM {unnest(MembershipRow, 'n')}",
        **arrays(rows, MembershipRow),
    )
    await work.run(
        """
        INSERT INTO rebuild.customer_segments (profile_id, known, due_at)
        SELECT profile_id, known, due_at
          FROM unnest(CAST(:ids AS uuid[]), CAST(:known AS bytea[]), CAST(:due AS timestamptz[]))
               AS n(profile_id, known, due_at)
        """,
        ids=list(known),
        known=[packed(one) for one in known.values()],
        due=[earliest_due(one.values()) for one in known.values()],
    )


async def keep_others(work: Work, in_force: Iterable[str]) -> None:
    """Leaves the rows of segments that are not in force as the service has them."""
    ids = list(in_force)
    await work.run("DELETE FROM rebuild.memberships WHERE segment_id <> ALL(CAST(:ids AS text[]))", ids=ids)
    await work.run(
        """
        INSERT INTO rebuild.memberships
        SELECT l.*
          FROM public.memberships l
          JOIN rebuild.standings USING (profile_id)
         WHERE l.segment_id <> ALL(CAST(:ids AS text[]))
        """,
        ids=ids,
    )


async def disagreements(work: Work, in_force: Iterable[str]) -> Sequence[Disagreement]:
    """Returns the memberships, of segments in force, that are others than readers know, by customer and segment.

    Readers know what they were told last; where that is not in the log any more, what the service holds.
    """
    return await rows_as(
        work,
        Disagreement,
        f"""
        SELECT profile_id, segment_id, coalesce(s.member, FALSE) AS member, c.version
          FROM rebuild.memberships s
          FULL JOIN public.memberships l USING (profile_id, segment_id)
          FULL JOIN ({_LAST_TURNS}) t USING (profile_id, segment_id)
          JOIN rebuild.standings c USING (profile_id)
         WHERE segment_id = ANY(CAST(:ids AS text[]))
           AND coalesce(s.member, FALSE) <> coalesce(t.member, l.member, FALSE)
         ORDER BY profile_id, segment_id
        """,
        ids=list(in_force),
    )
