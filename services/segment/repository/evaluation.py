"""SQL of conditions over the base: how many customers meet one, and who."""

from collections.abc import Sequence
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


async def exists(work: Work, profile_id: UUID) -> bool:
    """Returns whether there is such a customer."""
    return await work.row("SELECT 1 FROM standings WHERE profile_id = :id", id=profile_id) is not None
