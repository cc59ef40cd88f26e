"""SQL on decisions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.campaign.domain.decision import Decision
from shared.database.database import Work


async def insert(work: Work, made: Sequence[Decision]) -> Collection[UUID]:
    """Writes decisions down; the ids of those that were not there yet."""
    ordered = sorted(made, key=lambda decision: decision.id)
    rows = await work.rows(
        "INSERT INTO decisions (id, profile_id, journey_id, journey_version, trigger_id, outcome, reason, at, "
        "cause_occurred_at) SELECT t.id, t.profile_id, t.journey_id, t.journey_version, t.trigger_id, t.outcome, "
        "t.reason, CAST(:now AS timestamptz), t.cause_occurred_at FROM unnest(CAST(:ids AS uuid[]), "
        "CAST(:profile_ids AS uuid[]), "
        "CAST(:journey_ids AS text[]), CAST(:journey_versions AS int[]), CAST(:trigger_ids AS text[]), "
        "CAST(:outcomes AS text[]), CAST(:reasons AS text[]), CAST(:occurred AS timestamptz[])) "
        "AS t(id, profile_id, journey_id, journey_version, trigger_id, outcome, reason, cause_occurred_at) "
        "ON CONFLICT (id) DO NOTHING RETURNING id",
        now=work.now,
        ids=[one.id for one in ordered],
        profile_ids=[one.profile_id for one in ordered],
        journey_ids=[one.journey_id for one in ordered],
        journey_versions=[one.journey_version for one in ordered],
        trigger_ids=[one.trigger_id for one in ordered],
        outcomes=[one.outcome.value for one in ordered],
        reasons=[one.reason for one in ordered],
        occurred=[one.cause_occurred_at for one in ordered],
    )
    return {row.id for row in rows}


async def of_customer(work: Work, profile_ids: Sequence[UUID], *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Returns what was decided under any of a customer's ids, newest first."""
    rows = await work.rows(
        "SELECT id, profile_id, journey_id, journey_version, trigger_id, outcome, reason, at, cause_occurred_at "
        "FROM decisions WHERE profile_id = ANY(CAST(:profile_ids AS uuid[])) ORDER BY at DESC, id DESC LIMIT :limit",
        profile_ids=profile_ids,
        limit=limit,
    )
    return [row._mapping for row in rows]
