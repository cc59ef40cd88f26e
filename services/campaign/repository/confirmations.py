"""SQL on confirmations, and on the links that withdrew consent."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.campaign.domain.delivery import State
from services.campaign.domain.gate import Handed
from shared.contracts.changes import ConfirmationRequested
from shared.contracts.envelope import Event
from shared.database.database import Work

_CLAIMING = 0x636F6E6669726D  # the advisory lock of who claims; with it the caps hold across processes


class Asked(NamedTuple):
    """A request for a confirmation. Field names are column names."""

    id: UUID
    profile_id: UUID
    address: str
    channel: str
    purpose: str
    language: str
    requested_by: UUID
    attempts: int
    created_at: datetime
    cause_occurred_at: datetime
    cause_received_at: datetime
    depth: int
    traceparent: str | None


class Verdict(NamedTuple):
    """What the gate made of a request."""

    id: UUID
    state: State
    due_at: datetime
    claim_id: UUID | None = None


_ASKED = "c." + ", c.".join(Asked._fields)


async def insert(
    work: Work,
    made: Sequence[tuple[Event, ConfirmationRequested]],
    *,
    most: int,
    within: timedelta,
    again_after: timedelta,
    most_waiting: int,
) -> None:
    """Adds requests, due now: each once, and at most `most` an address within so long, while so many wait in all.

    One that asks an address for what it was asked for less than `again_after` ago is left out.
    """
    ordered = sorted(made, key=lambda pair: pair[0].event_id)
    await work.run(
        """
        WITH asked AS (
             SELECT DISTINCT ON (t.address, t.channel, t.purpose) t.*
               FROM unnest(CAST(:ids AS uuid[]), CAST(:profile_ids AS uuid[]), CAST(:addresses AS text[]),
                    CAST(:channels AS text[]), CAST(:purposes AS text[]), CAST(:languages AS text[]),
                    CAST(:requested_by AS uuid[]), CAST(:occurred AS timestamptz[]), CAST(:received AS timestamptz[]),
                    CAST(:depths AS smallint[]), CAST(:traceparents AS text[]))
                 AS t(id, profile_id, address, channel, purpose, language, requested_by, occurred_at, received_at,
                    depth, traceparent)
              WHERE NOT EXISTS (SELECT 1 FROM confirmations c WHERE c.address = t.address AND c.channel = t.channel
                                   AND c.purpose = t.purpose AND c.created_at > :lately)
              ORDER BY t.address, t.channel, t.purpose, t.id
        ), numbered AS (
             SELECT a.*, row_number() OVER (PARTITION BY a.address ORDER BY a.id) AS of_address,
                    row_number() OVER (ORDER BY a.id) AS of_all
               FROM asked a
        )
        INSERT INTO confirmations (id, profile_id, address, channel, purpose, language, requested_by, due_at,
               created_at, cause_occurred_at, cause_received_at, depth, traceparent)
        SELECT n.id, n.profile_id, n.address, n.channel, n.purpose, n.language, n.requested_by,
               CAST(:now AS timestamptz), CAST(:now AS timestamptz), n.occurred_at, n.received_at, n.depth,
               n.traceparent
          FROM numbered n
         WHERE n.of_address + (SELECT count(*) FROM confirmations c
                                WHERE c.address = n.address AND c.created_at > :since) <= :most
           AND n.of_all + (SELECT count(*) FROM (SELECT 1 FROM confirmations c WHERE c.state = 'pending'
                                                  LIMIT :most_waiting) w) <= :most_waiting
            ON CONFLICT (id) DO NOTHING
        """,
        now=work.now,
        since=work.now - within,
        lately=work.now - again_after,
        most=most,
        most_waiting=most_waiting,
        ids=[event.event_id for event, _ in ordered],
        profile_ids=[one.profile_id for _, one in ordered],
        addresses=[one.address for _, one in ordered],
        channels=[one.channel for _, one in ordered],
        purposes=[one.purpose for _, one in ordered],
        languages=[one.language for _, one in ordered],
        requested_by=[one.requested_by for _, one in ordered],
        occurred=[event.occurred_at for event, _ in ordered],
        received=[event.received_at for event, _ in ordered],
        depths=[event.depth for event, _ in ordered],
        traceparents=[event.traceparent for event, _ in ordered],
    )


async def forget(work: Work, *, before: datetime) -> None:
    """Deletes what was asked for before then."""
    await work.run("DELETE FROM confirmations WHERE created_at < :before", before=before)


async def lock_due(work: Work, *, limit: int) -> Sequence[Asked]:
    """Returns the requests whose time has come, the longest waiting first; none while another process looks at them."""
    rows = await work.rows(
        f"""
        SELECT {_ASKED}
          FROM confirmations c
         WHERE c.state = 'pending' AND c.due_at <= :now
         ORDER BY c.due_at
         LIMIT :limit
           FOR UPDATE SKIP LOCKED
        """,
        now=work.now,
        limit=limit,
    )
    if not rows:
        return []
    locked = await work.row("SELECT pg_try_advisory_xact_lock(:lock) AS held", lock=_CLAIMING)
    return [Asked(*row) for row in rows] if locked is not None and locked.held else []


async def handed(work: Work, addresses: Iterable[str], *, since: datetime) -> Sequence[tuple[str, Handed]]:
    """Returns what was handed over to these addresses since then, or may have been."""
    rows = await work.rows(
        """
        SELECT address, id, requested_by, coalesce(handed_at, sending_since) AS at
          FROM confirmations
         WHERE address = ANY(CAST(:addresses AS text[])) AND state IN ('sending', 'sent', 'unknown')
           AND coalesce(handed_at, sending_since) > :since
        """,
        addresses=sorted(set(addresses)),
        since=since,
    )
    return [(row.address, Handed(row.id, "", str(row.requested_by), row.at)) for row in rows]


async def left_since(work: Work, since: datetime) -> int:
    """Returns how many have left since then, to whomever."""
    row = await work.row("SELECT count(*) AS left FROM confirmations WHERE sending_since > :since", since=since)
    return 0 if row is None else int(row.left)


async def move(work: Work, verdicts: Sequence[Verdict]) -> None:
    """Carries out what the gate decided; `sending` counts an attempt."""
    await work.run(
        """
        UPDATE confirmations c
           SET state = t.state, due_at = t.due_at, claim_id = t.claim_id,
               attempts = c.attempts + CAST(t.state = 'sending' AS int),
               sending_since = CASE WHEN t.state = 'sending' THEN :now ELSE c.sending_since END
          FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:due AS timestamptz[]),
               CAST(:claims AS uuid[])) AS t(id, state, due_at, claim_id)
         WHERE c.id = t.id
        """,
        now=work.now,
        ids=[one.id for one in verdicts],
        states=[one.state.value for one in verdicts],
        due=[one.due_at for one in verdicts],
        claims=[one.claim_id for one in verdicts],
    )


async def give_up(work: Work, *, since: datetime) -> Sequence[Asked]:
    """Makes `unknown` what has been `sending` since before then; returns those requests."""
    rows = await work.rows(
        f"""
        UPDATE confirmations c SET state = 'unknown'
         WHERE c.state = 'sending' AND c.sending_since < :since
     RETURNING {_ASKED}
        """,
        since=since,
    )
    return [Asked(*row) for row in rows]


async def confirm(work: Work, asked_id: UUID) -> tuple[Asked | None, bool]:
    """Notes that a request was confirmed; it, and whether that is new. None if it is not known any more."""
    row = await work.row(f"SELECT {_ASKED} FROM confirmations c WHERE c.id = :id FOR UPDATE", id=asked_id)
    if row is None:
        return None, False
    new = await work.run(
        "UPDATE confirmations SET confirmed_at = :now WHERE id = :id AND confirmed_at IS NULL",
        id=asked_id,
        now=work.now,
    )
    return Asked(*row), new == 1


async def note_unsubscribed(work: Work, message_id: UUID, *, again_after: timedelta) -> bool:
    """Notes that a message's link was used; False if it was just used already."""
    row = await work.row(
        """
        INSERT INTO unsubscriptions AS u (message_id, at) VALUES (:id, :now)
            ON CONFLICT (message_id) DO UPDATE SET at = excluded.at WHERE u.at < :before
        RETURNING message_id
        """,
        id=message_id,
        now=work.now,
        before=work.now - again_after,
    )
    return row is not None
