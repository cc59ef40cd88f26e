"""SQL on decisions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from services.campaign.domain.decision import Decision
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, rows_as, unnest, values


class StoredDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and when it was made."""

    id: UUID
    profile_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    outcome: str
    reason: str
    at: datetime
    cause_occurred_at: datetime
    message_id: UUID | None = None
    evidence: Json | None = None


async def insert(work: Work, made: Sequence[Decision]) -> Collection[UUID]:
    """Writes decisions down. Returns the ids of those that were not there yet."""
    rows = [
        StoredDecision(
            id=one.id,
            profile_id=one.profile_id,
            journey_id=one.journey_id,
            journey_version=one.journey_version,
            trigger_id=one.trigger_id,
            outcome=one.outcome.value,
            reason=one.reason,
            at=work.now,
            cause_occurred_at=one.cause_occurred_at,
            message_id=one.message_id,
            evidence=Json(msgspec.json.encode(one.evidence).decode()) if one.evidence else None,
        )
        for one in sorted(made, key=lambda decision: decision.id)
    ]
    new = await work.rows(
        f"""
        INSERT INTO decisions ({", ".join(StoredDecision.__struct_fields__)})
        SELECT {values(StoredDecision, "n")}
          FROM {unnest(StoredDecision, "n")}
            ON CONFLICT (id) DO NOTHING
        RETURNING id
        """,
        **arrays(rows, StoredDecision),
    )
    return {row.id for row in new}


async def of_customer(work: Work, profile_ids: Sequence[UUID], *, limit: int) -> Sequence[StoredDecision]:
    """Returns what was decided under any of a customer's ids, newest first."""
    return await rows_as(
        work,
        StoredDecision,
        f"""
        SELECT {columns(StoredDecision)}
          FROM decisions
         WHERE profile_id = ANY(CAST(:profile_ids AS uuid[]))
         ORDER BY at DESC, id DESC
         LIMIT :limit
        """,
        profile_ids=profile_ids,
        limit=limit,
    )


async def of_trigger(
    work: Work, profile_ids: Sequence[UUID], journey_id: str, trigger_id: str
) -> Sequence[StoredDecision]:
    """Returns what was decided for a customer on what set a journey's messages off, newest first."""
    return await rows_as(
        work,
        StoredDecision,
        f"""
        SELECT {columns(StoredDecision)}
          FROM decisions
         WHERE profile_id = ANY(CAST(:profile_ids AS uuid[])) AND journey_id = :journey_id AND trigger_id = :trigger_id
         ORDER BY at DESC, id DESC
        """,
        profile_ids=profile_ids,
        journey_id=journey_id,
        trigger_id=trigger_id,
    )
