"""SQL on messages."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.campaign.domain.delivery import State
from services.campaign.domain.gate import Handed
from services.campaign.domain.journey.run import Run
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, row_as, rows_as, unnest


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
    run_id: UUID | None
    step: str
    visit: int
    kind: str
    definition: str | None
    properties: str | None
    run_over: bool = False
    event: str | None = None


class New(NamedTuple):
    """A message to be: the run that asks for it, by which node and on which visit, and the run's present cause."""

    id: UUID
    run: Run
    step: str
    reached: str


class Move(msgspec.Struct, frozen=True):
    """What the gate made of a message, and what one that leaves counts as. Field names are column names."""

    id: UUID
    state: State
    due_at: datetime
    subject: str | None = None
    claim_id: UUID | None = None
    gate_channel: str | None = None
    gate_purpose: str | None = None
    gate_template: str | None = None


_OF_RUN = ("run_over", "event")
_JSON = ("definition", "properties")
_DUE = ", ".join(
    f"CAST(m.{name} AS text) AS {name}" if name in _JSON else f"m.{name}" for name in Due._fields if name not in _OF_RUN
)


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a list."""

    id: UUID
    journey_id: str
    journey_version: int
    profile_id: UUID
    trigger_id: str
    state: str
    subject: str | None
    attempts: int
    due_at: datetime
    created_at: datetime
    handed_at: datetime | None
    cause_occurred_at: datetime
    cause_received_at: datetime


class DetailedMessage(StoredMessage, frozen=True, kw_only=True):
    """A message by itself."""

    kind: str
    step: str
    run_id: UUID | None
    definition: Json | None
    properties: Json | None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a journey are in a state, and for how many distinct (profile, trigger)."""

    journey_id: str
    state: str
    messages: int
    triggers: int


class _Inserted(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    journey_id: str
    journey_version: int
    profile_id: UUID
    trigger_id: str
    reached: str
    due_at: datetime
    created_at: datetime
    cause_occurred_at: datetime
    cause_received_at: datetime
    by_time: bool
    depth: int
    traceparent: str | None
    run_id: UUID
    step: str
    visit: int


async def insert(work: Work, made: Sequence[New]) -> None:
    """Adds messages, due now, once per visit of a node: (journey, profile, trigger, step, visit)."""
    rows = [
        _Inserted(
            id=new.id,
            journey_id=new.run.journey_id,
            journey_version=new.run.version,
            profile_id=new.run.profile_id,
            trigger_id=new.run.trigger_id,
            reached=new.reached,
            due_at=work.now,
            created_at=work.now,
            cause_occurred_at=new.run.cause.occurred_at,
            cause_received_at=new.run.cause.received_at,
            by_time=new.run.cause.by_time,
            depth=new.run.cause.depth,
            traceparent=new.run.cause.traceparent,
            run_id=new.run.id,
            step=new.step,
            visit=new.run.visit,
        )
        for new in sorted(made, key=lambda new: new.id)
    ]
    await work.run(
        f"""
        INSERT INTO messages ({columns(_Inserted)})
        SELECT {columns(_Inserted, "n")}
          FROM {unnest(_Inserted, "n")}
            ON CONFLICT DO NOTHING
        """,
        **arrays(rows, _Inserted),
    )


class NewSingle(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a request asks for by itself. Field names are column names."""

    id: UUID
    profile_id: UUID
    definition: Json
    properties: Json


async def insert_single(work: Work, new: NewSingle, *, kind: str) -> None:
    """Adds a single message, due now; it is its own trigger."""
    await work.run(
        """
        INSERT INTO messages (id, journey_id, journey_version, profile_id, trigger_id, reached, due_at, created_at,
                              cause_occurred_at, cause_received_at, by_time, depth, kind, definition, properties)
        VALUES (:id, :kind, 1, :profile_id, :trigger_id, '', :now, :now,
                :now, :now, false, 0, :kind, CAST(:definition AS jsonb), CAST(:properties AS jsonb))
        """,
        **msgspec.structs.asdict(new),
        trigger_id=str(new.id),
        kind=kind,
        now=work.now,
    )


async def one(work: Work, message_id: UUID) -> DetailedMessage | None:
    """Returns a message, if there is one of this id."""
    return await row_as(
        work,
        DetailedMessage,
        f"""
        SELECT {columns(DetailedMessage)}
          FROM messages
         WHERE id = :id
        """,
        id=message_id,
    )


async def lock_due(work: Work, *, limit: int) -> Sequence[Due]:
    """Returns the messages that are due and that nobody else holds, the longest waiting first."""
    rows = await work.rows(
        f"""
        SELECT {_DUE},
               coalesce((SELECT r.state <> 'active' FROM runs r WHERE r.id = m.run_id), false) AS run_over,
               (SELECT CAST(r.data -> 'event' AS text) FROM runs r WHERE r.id = m.run_id) AS event
          FROM messages m
         WHERE m.state = 'pending' AND m.due_at <= :now
         ORDER BY m.due_at
         LIMIT :limit
           FOR UPDATE OF m SKIP LOCKED
        """,
        now=work.now,
        limit=limit,
    )
    return [Due(*row) for row in rows]


async def handed(work: Work, customers: Iterable[UUID], *, since: datetime) -> Sequence[tuple[UUID, Handed]]:
    """Returns what was handed over, or may have been, since then: each with its customer's canonical id."""
    rows = await work.rows(
        """
        WITH names AS (
             SELECT c AS customer, c AS profile_id
               FROM unnest(CAST(:customers AS uuid[])) c
              UNION
             SELECT canonical_id, profile_id
               FROM profile_aliases
              WHERE canonical_id = ANY(CAST(:customers AS uuid[]))
        )
        SELECT n.customer, m.id, m.journey_id, m.trigger_id, m.step, m.visit,
               coalesce(m.handed_at, m.sending_since) AS at,
               coalesce(m.gate_channel, 'email') AS channel, coalesce(m.gate_purpose, 'marketing') AS purpose,
               coalesce(m.gate_template, '') AS template
          FROM names n
          JOIN messages m USING (profile_id)
         WHERE m.state IN ('sending', 'sent', 'unknown')
           AND coalesce(m.handed_at, m.sending_since) > :since
        """,
        customers=sorted(set(customers)),
        since=since,
    )
    return [
        (
            row.customer,
            Handed(
                row.id,
                row.journey_id,
                row.trigger_id,
                row.at,
                row.step,
                row.visit,
                row.channel,
                row.purpose,
                row.template,
            ),
        )
        for row in rows
    ]


async def move(work: Work, moves: Sequence[Move]) -> None:
    """Carries out what the gate decided on messages that the caller holds; `sending` counts an attempt."""
    await work.run(
        f"""
        UPDATE messages m
           SET state = n.state,
               due_at = n.due_at,
               subject = coalesce(n.subject, m.subject),
               attempts = m.attempts + CAST(n.state = 'sending' AS int),
               sending_since = CASE WHEN n.state = 'sending' THEN :now ELSE m.sending_since END,
               claim_id = n.claim_id,
               gate_channel = coalesce(n.gate_channel, m.gate_channel),
               gate_purpose = coalesce(n.gate_purpose, m.gate_purpose),
               gate_template = coalesce(n.gate_template, m.gate_template)
          FROM {unnest(Move, "n")}
         WHERE m.id = n.id
        """,
        now=work.now,
        **arrays(moves, Move),
    )


async def give_up(work: Work, *, since: datetime) -> Sequence[Due]:
    """Makes `unknown` what has been `sending` since before then: nobody will ever say what became of it."""
    rows = await work.rows(
        f"""
        UPDATE messages m SET state = 'unknown'
         WHERE m.id IN (
               SELECT id
                 FROM messages
                WHERE state = 'sending' AND sending_since < :since
                  FOR UPDATE SKIP LOCKED
               )
        RETURNING {_DUE}
        """,
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
) -> Sequence[StoredMessage]:
    """Returns the messages after a position, newest first."""
    created_at, message_id = after or (None, None)
    return await rows_as(
        work,
        StoredMessage,
        f"""
        SELECT {columns(StoredMessage)}
          FROM messages
         WHERE (CAST(:journey_id AS text) IS NULL OR journey_id = :journey_id)
           AND (CAST(:state AS text) IS NULL OR state = :state)
           AND (CAST(:profile_ids AS uuid[]) IS NULL OR profile_id = ANY(CAST(:profile_ids AS uuid[])))
           AND (CAST(:created_at AS timestamptz) IS NULL OR (created_at, id) < (:created_at, CAST(:id AS uuid)))
         ORDER BY created_at DESC, id DESC
         LIMIT :limit
        """,
        journey_id=journey_id,
        state=state,
        profile_ids=profile_ids,
        created_at=created_at,
        id=message_id,
        limit=limit,
    )


async def counts(work: Work) -> Sequence[Counted]:
    """Returns how many messages of each journey are in each state."""
    return await rows_as(
        work,
        Counted,
        """
        SELECT journey_id, state, count(*) AS messages, count(DISTINCT (profile_id, trigger_id)) AS triggers
          FROM messages
         GROUP BY journey_id, state
         ORDER BY journey_id, state
        """,
    )


async def latencies(work: Work) -> dict[str, tuple[float, float]]:
    """Returns by journey median and 99th percentile of the seconds from accepted cause to handing over.

    Messages for changes by time alone are left out.
    """
    rows = await work.rows(
        """
        SELECT journey_id,
               percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
                   ORDER BY extract(epoch FROM handed_at - cause_received_at)::float8
               ) AS seconds
          FROM messages
         WHERE state = 'sent' AND NOT by_time
         GROUP BY journey_id
        """
    )
    return {row.journey_id: (row.seconds[0], row.seconds[1]) for row in rows}
