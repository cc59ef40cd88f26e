"""Memberships compared with what SQL says of the whole base: the second of the two compilers checks the first."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain.conditions.document import InvalidCondition
from services.segment.domain.conditions.query import Query
from services.segment.repository import evaluation
from services.segment.repository import segments as repository
from services.segment.repository.segments import VersionRow
from services.segment.service import memberships, standings
from services.segment.service.segments import condition_of
from services.segment.service.standing_changes import Cause
from shared.contracts.envelope import derived_id
from shared.database.database import Work

MAX_DIFFERENCES: Final = 100_000  # customers, at a time
MEND_BATCH: Final = 500  # customers a transaction


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a segment: customers whose membership is otherwise than its condition says."""

    segment_id: str
    name: str
    differing: Sequence[UUID] = ()


async def live(work: Work) -> list[VersionRow]:
    """Returns the versions of segments that the whole base was looked at by."""
    return [row for row in await repository.in_force(work) if row.backfilled_at is not None]


async def verify(work: Work, rows: Sequence[VersionRow]) -> list[Verified]:
    """Returns, for each of these segments, which memberships differ. One that can't be read has none.

    Everything is as of one moment. Customers who are due, or are being read anew, are left out.
    """
    found: list[Verified] = []
    for start in range(0, len(rows), evaluation.MAX_VERDICTS):
        some = rows[start : start + evaluation.MAX_VERDICTS]
        query, verdicts = Query(work.now), dict[str, str]()
        for row in some:
            try:
                condition = condition_of(msgspec.json.decode(row.condition))
            except InvalidCondition:
                continue
            verdicts[row.segment_id] = f"coalesce({condition.sql(query)}, FALSE)"
        differing = await evaluation.differences(work, query, verdicts, limit=MAX_DIFFERENCES)
        found += [
            Verified(segment_id=row.segment_id, name=row.name, differing=differing.get(row.segment_id, ()))
            for row in some
        ]
    return found


async def mend(work: Work, profile_ids: Sequence[UUID]) -> None:
    """Looks at customers by all definitions again. What turns is told as history: nobody did anything."""
    canonical = set((await standings.lock(work, profile_ids)).canonical.values())
    causes = {
        one: Cause(
            event_id=derived_id(one, "verify", work.now.isoformat(), 1),
            occurred_at=work.now,
            received_at=work.now,
            historical=True,
        )
        for one in canonical
    }
    await memberships.look_again(work, {one: {memberships.ALL} for one in canonical}, causes)
