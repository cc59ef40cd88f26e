"""SQL of conditions over the base: how many customers meet one, and who."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.segment.domain.conditions.query import Query
from shared.database.database import Work


class Matched(NamedTuple):
    """How many customers meet a condition, of how many, and the first of them by id."""

    matches: int
    customers: int
    sample: Sequence[UUID]


async def preview(work: Work, query: Query, verdict: str, *, sample: int) -> Matched:
    """Returns how many customers meet a condition, whose expression over `query` this is."""
    statement = query.statement({"verdict": verdict})
    row = await work.row(
        f"""
        SELECT count(*) FILTER (WHERE verdict) AS matches, count(*) AS customers,
               (array_agg(profile_id ORDER BY profile_id) FILTER (WHERE verdict))[1:CAST(:sample AS int)] AS sample
          FROM ({statement}) v
        """,
        sample=sample,
        **query.parameters,
    )
    assert row is not None
    return Matched(row.matches, row.customers, row.sample or [])


async def recompute(work: Work, query: Query, verdicts: Mapping[str, str], segments: Mapping[str, str]) -> int:
    """Makes memberships what these expressions over `query` say, by column; only what differs is written.

    `segments` are the segments' ids, by column. Due times are not set: whoever looks at the customers does. Returns how
    many rows were written.
    """
    statement = query.statement({name: f"coalesce({one}, FALSE)" for name, one in verdicts.items()})
    columns = ", ".join(f"({query.value(segments[name], 'text')}, v.{name})" for name in verdicts)
    return await work.run(
        f"""
        INSERT INTO memberships AS m (profile_id, segment_id, version, member, since)
        SELECT v.profile_id, u.segment_id, 1, u.member, :now
          FROM ({statement}) v
         CROSS JOIN LATERAL (VALUES {columns}) u(segment_id, member)
          LEFT JOIN memberships k ON k.profile_id = v.profile_id AND k.segment_id = u.segment_id
         WHERE u.member <> coalesce(k.member, FALSE)
            ON CONFLICT (profile_id, segment_id)
            DO UPDATE SET member = excluded.member, since = excluded.since
        """,
        **query.parameters,
    )


async def exists(work: Work, profile_id: UUID) -> bool:
    """Returns whether there is such a customer."""
    return await work.row("SELECT 1 FROM standings WHERE profile_id = :id", id=profile_id) is not None
