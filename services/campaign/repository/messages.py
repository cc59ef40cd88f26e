"""SQL on messages."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.campaign.domain.delivery import State
from services.campaign.domain.gate import Handed
from services.campaign.domain.journey import Journey, is_by_time
from shared.contracts.envelope import Event
from shared.database.database import Work


class Due(NamedTuple):
    """A message, with what the gate and the channel need of it. Field names are column names."""

    id: UUID
    journey_id: str
    journey_version: int
    profile_id: UUID
    trigger_id: str
    reached: str
    attempts: int
    created_at: datetime
    cause_occurred_at: datetime
    cause_received_at: datetime
    by_time: bool
    depth: int
    traceparent: str | None


class New(NamedTuple):
    """A message to be: the journey that was entered, and the change that set it off."""

    id: UUID
    journey: Journey
    profile_id: UUID
    reached: str
    cause: Event


class Move(NamedTuple):
    """What the gate made of a message."""

    id: UUID
    state: State
    due_at: datetime
    subject: str | None = None
    claim_id: UUID | None = None


_DUE = "m." + ", m.".join(Due._fields)


async def insert(work: Work, made: Sequence[New]) -> None:
    """Adds messages, due now, once per (journey, profile, trigger)."""
    ordered = sorted(made, key=lambda new: new.id)
    await work.run(
        "INSERT INTO messages (id, journey_id, journey_version, profile_id, trigger_id, reached, due_at, created_at, "
        "cause_occurred_at, cause_received_at, by_time, depth, traceparent) SELECT t.id, t.journey_id, t.version, "
        "t.profile_id, t.trigger_id, t.reached, CAST(:now AS timestamptz), CAST(:now AS timestamptz), t.occurred_at, "
        "t.received_at, t.by_time, t.depth, t.traceparent FROM unnest(CAST(:ids AS uuid[]), "
        "CAST(:journey_ids AS text[]), CAST(:versions AS int[]), CAST(:profile_ids AS uuid[]), "
        "CAST(:trigger_ids AS text[]), CAST(:reached AS text[]), CAST(:occurred AS timestamptz[]), "
        "CAST(:received AS timestamptz[]), CAST(:by_time AS boolean[]), CAST(:depths AS smallint[]), "
        "CAST(:traceparents AS text[])) AS t(id, journey_id, version, profile_id, trigger_id, reached, occurred_at, "
        "received_at, by_time, depth, traceparent) ON CONFLICT DO NOTHING",
        now=work.now,
        ids=[new.id for new in ordered],
        journey_ids=[new.journey.id for new in ordered],
        versions=[new.journey.version for new in ordered],
        profile_ids=[new.profile_id for new in ordered],
        trigger_ids=[str(new.cause.event_id) for new in ordered],
        reached=[new.reached for new in ordered],
        occurred=[new.cause.occurred_at for new in ordered],
        received=[new.cause.received_at for new in ordered],
        by_time=[is_by_time(new.cause) for new in ordered],
        depths=[new.cause.depth for new in ordered],
        traceparents=[new.cause.traceparent for new in ordered],
    )


async def lock_due(work: Work, *, limit: int) -> Sequence[Due]:
    """Returns the messages that are due and that nobody else holds, the longest waiting first."""
    rows = await work.rows(
        f"SELECT {_DUE} FROM messages m WHERE m.state = 'pending' AND m.due_at <= :now "
        "ORDER BY m.due_at LIMIT :limit FOR UPDATE SKIP LOCKED",
        now=work.now,
        limit=limit,
    )
    return [Due(*row) for row in rows]


async def handed(work: Work, customers: Iterable[UUID], *, since: datetime) -> Sequence[tuple[UUID, Handed]]:
    """Returns what was handed over, or may have been, since then: each with its customer's canonical id."""
    rows = await work.rows(
        "WITH names AS (SELECT c AS customer, c AS profile_id FROM unnest(CAST(:customers AS uuid[])) c UNION "
        "SELECT canonical_id, profile_id FROM profile_aliases WHERE canonical_id = ANY(CAST(:customers AS uuid[]))) "
        "SELECT n.customer, m.id, m.journey_id, m.trigger_id, coalesce(m.handed_at, m.sending_since) AS at "
        "FROM names n JOIN messages m USING (profile_id) WHERE m.state IN ('sending', 'sent', 'unknown') "
        "AND coalesce(m.handed_at, m.sending_since) > :since",
        customers=sorted(set(customers)),
        since=since,
    )
    return [(row.customer, Handed(row.id, row.journey_id, row.trigger_id, row.at)) for row in rows]


async def move(work: Work, moves: Sequence[Move]) -> None:
    """Carries out what the gate decided on messages that the caller holds; `sending` counts an attempt."""
    await work.run(
        "UPDATE messages m SET state = t.state, due_at = t.due_at, subject = coalesce(t.subject, m.subject), "
        "attempts = m.attempts + CAST(t.state = 'sending' AS int), "
        "sending_since = CASE WHEN t.state = 'sending' THEN :now ELSE m.sending_since END, claim_id = t.claim_id "
        "FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:due AS timestamptz[]), "
        "CAST(:subjects AS text[]), CAST(:claims AS uuid[])) AS t(id, state, due_at, subject, claim_id) "
        "WHERE m.id = t.id",
        now=work.now,
        ids=[one.id for one in moves],
        states=[one.state.value for one in moves],
        due=[one.due_at for one in moves],
        subjects=[one.subject for one in moves],
        claims=[one.claim_id for one in moves],
    )


async def give_up(work: Work, *, since: datetime) -> Sequence[Due]:
    """Makes `unknown` what has been `sending` since before then: nobody will ever say what became of it."""
    rows = await work.rows(
        "UPDATE messages m SET state = 'unknown' WHERE m.id IN (SELECT id FROM messages WHERE state = 'sending' "
        f"AND sending_since < :since FOR UPDATE SKIP LOCKED) RETURNING {_DUE}",
        since=since,
    )
    return [Due(*row) for row in rows]


async def page(
    work: Work,
    *,
    journey_id: str | None,
    state: str | None,
    profile_ids: Sequence[UUID] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Returns the messages after a position, newest first."""
    created_at, message_id = after or (None, None)
    rows = await work.rows(
        "SELECT id, journey_id, journey_version, profile_id, trigger_id, state, subject, attempts, due_at, created_at, "
        "handed_at, cause_occurred_at, cause_received_at FROM messages "
        "WHERE (CAST(:journey_id AS text) IS NULL OR journey_id = :journey_id) "
        "AND (CAST(:state AS text) IS NULL OR state = :state) "
        "AND (CAST(:profile_ids AS uuid[]) IS NULL OR profile_id = ANY(CAST(:profile_ids AS uuid[]))) "
        "AND (CAST(:created_at AS timestamptz) IS NULL OR (created_at, id) < (:created_at, CAST(:id AS uuid))) "
        "ORDER BY created_at DESC, id DESC LIMIT :limit",
        journey_id=journey_id,
        state=state,
        profile_ids=profile_ids,
        created_at=created_at,
        id=message_id,
        limit=limit,
    )
    return [row._mapping for row in rows]


async def counts(work: Work) -> Sequence[tuple[str, str, int, int]]:
    """Returns by (journey, state) how many messages there are, and for how many distinct (profile, trigger)."""
    rows = await work.rows(
        "SELECT journey_id, state, count(*) AS messages, count(DISTINCT (profile_id, trigger_id)) AS triggers "
        "FROM messages GROUP BY journey_id, state ORDER BY journey_id, state"
    )
    return [(row.journey_id, row.state, row.messages, row.triggers) for row in rows]


async def latencies(work: Work) -> dict[str, tuple[float, float]]:
    """Returns by journey median and 99th percentile of the seconds from accepted cause to handing over.

    Messages for changes by time alone are left out.
    """
    rows = await work.rows(
        "SELECT journey_id, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP "
        "(ORDER BY extract(epoch FROM handed_at - cause_received_at)::float8) AS seconds "
        "FROM messages WHERE state = 'sent' AND NOT by_time GROUP BY journey_id"
    )
    return {row.journey_id: (row.seconds[0], row.seconds[1]) for row in rows}
