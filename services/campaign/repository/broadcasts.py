"""SQL on broadcasts, their audiences, and the messages made of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from services.campaign.domain.broadcast import Broadcast, BroadcastState, Tally
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, row_as, rows_as, unnest


class StoredBroadcast(msgspec.Struct, frozen=True, kw_only=True):
    """A broadcast. `done_to` is the last of its audience, by place, whose message was made ready."""

    id: str
    revision: int
    definition: Json
    state: str
    reason: str
    trigger_id: UUID
    starts_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    segment_version: int | None
    audience: int | None
    done_to: int
    made_at: datetime | None
    created_at: datetime
    updated_at: datetime
    updated_by: str

    @property
    def broadcast(self) -> Broadcast:
        """The definition."""
        return msgspec.json.decode(self.definition, type=Broadcast)


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One of an audience."""

    place: int
    profile_id: UUID
    time_zone: str


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a broadcast. Field names are column names."""

    id: UUID
    journey_id: str
    profile_id: UUID
    trigger_id: str
    due_at: datetime


async def add(work: Work, broadcast: Broadcast, trigger_id: UUID, *, by: str) -> bool:
    """Adds a draft. Returns False if the id is taken."""
    added = await work.run(
        """
        INSERT INTO broadcasts (id, revision, definition, state, trigger_id, created_at, updated_at, updated_by)
        VALUES (:id, 1, CAST(:definition AS jsonb), 'draft', :trigger_id, :now, :now, :by)
        ON CONFLICT (id) DO NOTHING
        """,
        id=broadcast.id,
        definition=msgspec.json.encode(broadcast).decode(),
        trigger_id=trigger_id,
        now=work.now,
        by=by,
    )
    return added > 0


async def every(work: Work, *, after: tuple[datetime, str] | None, limit: int) -> Sequence[StoredBroadcast]:
    """Returns the broadcasts after a position, the newest first."""
    created_at, broadcast_id = after or (None, None)
    return await rows_as(
        work,
        StoredBroadcast,
        f"""
        SELECT {columns(StoredBroadcast)}
          FROM broadcasts
         WHERE (CAST(:created_at AS timestamptz) IS NULL OR (created_at, id) < (:created_at, CAST(:id AS text)))
         ORDER BY created_at DESC, id DESC
         LIMIT :limit
        """,
        created_at=created_at,
        id=broadcast_id,
        limit=limit,
    )


async def one(work: Work, broadcast_id: str, *, lock: bool = False) -> StoredBroadcast | None:
    """Returns a broadcast, held until the transaction ends if `lock`."""
    return await row_as(
        work,
        StoredBroadcast,
        f"""
        SELECT {columns(StoredBroadcast)}
          FROM broadcasts
         WHERE id = :id
               {"FOR UPDATE" if lock else ""}
        """,
        id=broadcast_id,
    )


async def some(work: Work, ids: Iterable[str]) -> Sequence[StoredBroadcast]:
    """Returns these broadcasts."""
    return await rows_as(
        work,
        StoredBroadcast,
        f"SELECT {columns(StoredBroadcast)} FROM broadcasts WHERE id = ANY(CAST(:ids AS text[]))",
        ids=sorted(set(ids)),
    )


async def write(work: Work, broadcast: Broadcast, *, by: str) -> None:
    """Writes the definition of a draft that the caller holds; a new revision."""
    await work.run(
        """
        UPDATE broadcasts
           SET revision = revision + 1, definition = CAST(:definition AS jsonb), updated_at = :now, updated_by = :by
         WHERE id = :id
        """,
        id=broadcast.id,
        definition=msgspec.json.encode(broadcast).decode(),
        now=work.now,
        by=by,
    )


async def set_state(
    work: Work,
    broadcast_id: str,
    state: BroadcastState,
    *,
    reason: str = "",
    starts_at: datetime | None = None,
    by: str = "",
) -> None:
    """Moves a broadcast that the caller holds to a state; a new revision."""
    await work.run(
        """
        UPDATE broadcasts
           SET revision = revision + 1, state = :state, reason = :reason, updated_at = :now,
               updated_by = CASE WHEN :by = '' THEN updated_by ELSE :by END,
               starts_at = coalesce(:starts_at, starts_at),
               ended_at = CASE WHEN :state IN ('done', 'cancelled') THEN CAST(:now AS timestamptz) END
         WHERE id = :id
        """,
        id=broadcast_id,
        state=state.value,
        reason=reason,
        starts_at=starts_at,
        now=work.now,
        by=by,
    )


async def claim(work: Work, state: Literal["scheduled", "running"]) -> StoredBroadcast | None:
    """Returns a broadcast of this state that is due and that nobody else holds; the one longest not looked at."""
    return await row_as(
        work,
        StoredBroadcast,
        f"""
        SELECT {columns(StoredBroadcast)}
          FROM broadcasts
         WHERE state = :state AND starts_at <= :now
         ORDER BY looked_at
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
        state=state,
        now=work.now,
    )


async def note_looked(work: Work, broadcast_id: str) -> None:
    """Notes that a broadcast was looked at, so that the next is another one."""
    await work.run("UPDATE broadcasts SET looked_at = :now WHERE id = :id", id=broadcast_id, now=work.now)


async def fix_audience(work: Work, broadcast: Broadcast) -> int:
    """Fixes whom a broadcast goes to: its seeds, then the members that its segment has now. Returns how many."""
    return await work.run(
        """
        INSERT INTO broadcast_audience (broadcast_id, place, profile_id)
        SELECT :id, row_number() OVER (ORDER BY least(seed, 1000), profile_id), profile_id
          FROM (SELECT profile_id, min(seed) AS seed
                  FROM (SELECT seeds.profile_id, seeds.seed
                          FROM unnest(CAST(:seeds AS uuid[])) WITH ORDINALITY AS seeds(profile_id, seed)
                         UNION ALL
                        SELECT profile_id, 1000
                          FROM memberships
                         WHERE segment_id = :segment AND member) AS everybody
                 GROUP BY profile_id) AS audience
        """,
        id=broadcast.id,
        seeds=list(broadcast.seeds),
        segment=broadcast.segment,
    )


async def start(work: Work, broadcast: Broadcast, *, audience: int) -> None:
    """Notes that a broadcast that the caller holds has started, to so many, by the segment's newest version."""
    await work.run(
        """
        UPDATE broadcasts
           SET state = 'running', started_at = :now, audience = :audience, revision = revision + 1,
               segment_version = (SELECT max(segment_version) FROM memberships WHERE segment_id = :segment)
         WHERE id = :id
        """,
        id=broadcast.id,
        audience=audience,
        segment=broadcast.segment,
        now=work.now,
    )


async def next_recipients(work: Work, broadcast_id: str, after: int, *, limit: int) -> Sequence[Recipient]:
    """Returns the next of an audience, by place, with the zones that are known of them."""
    return await rows_as(
        work,
        Recipient,
        """
        SELECT a.place, a.profile_id, coalesce(c.time_zone, '') AS time_zone
          FROM broadcast_audience a
          LEFT JOIN profile_aliases n ON n.profile_id = a.profile_id
          LEFT JOIN contacts c ON c.profile_id = coalesce(n.canonical_id, a.profile_id)
         WHERE a.broadcast_id = :id AND a.place > :after
         ORDER BY a.place
         LIMIT :limit
        """,
        id=broadcast_id,
        after=after,
        limit=limit,
    )


async def make_ready(work: Work, broadcast_id: str, messages: Sequence[NewMessage], *, done_to: int) -> None:
    """Adds messages, and notes how far the audience has come: both, or neither."""
    ordered = sorted(messages, key=lambda one: one.id)
    await work.run(
        f"""
        INSERT INTO messages (id, kind, journey_id, journey_version, profile_id, trigger_id, reached, due_at,
                              created_at, cause_occurred_at, cause_received_at, by_time, depth)
        SELECT n.id, 'broadcast', n.journey_id, 1, n.profile_id, n.trigger_id, '', n.due_at, :now,
               n.due_at, n.due_at, true, 0
          FROM {unnest(NewMessage, "n")}
            ON CONFLICT DO NOTHING
        """,
        now=work.now,
        **arrays(ordered, NewMessage),
    )
    await work.run(
        "UPDATE broadcasts SET done_to = :done_to, made_at = :now, looked_at = :now WHERE id = :id",
        id=broadcast_id,
        done_to=done_to,
        now=work.now,
    )


async def tally(work: Work, broadcast_id: str) -> Tally:
    """Returns how a broadcast's messages stand."""
    row = await work.row(
        """
        SELECT count(*) FILTER (WHERE m.state IN ('pending', 'sending')) AS pending,
               count(*) FILTER (WHERE m.state = 'sent') AS sent,
               count(*) FILTER (WHERE m.state = 'refused') AS refused,
               count(*) FILTER (WHERE m.state = 'failed') AS failed,
               count(*) FILTER (WHERE m.state = 'unknown') AS unknown,
               count(*) FILTER (WHERE m.state = 'failed' AND EXISTS (
                   SELECT FROM suppressions s WHERE s.id = m.id)) AS bad_addresses
          FROM messages m
         WHERE m.journey_id = :id AND m.kind = 'broadcast'
        """,
        id=broadcast_id,
    )
    assert row is not None
    return Tally(**row._mapping)


async def waiting(work: Work, broadcast_id: str) -> tuple[int, bool]:
    """Returns how many of a broadcast's messages are due or in hand, and whether any is not settled, due or not."""
    row = await work.row(
        """
        SELECT count(*) FILTER (WHERE due_at <= :now) AS due, count(*) > 0 AS some
          FROM messages
         WHERE journey_id = :id AND kind = 'broadcast' AND state IN ('pending', 'sending')
        """,
        id=broadcast_id,
        now=work.now,
    )
    assert row is not None
    return row.due, row.some
