"""SQL on figures, violations, shapes, and watched events."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.ingest.domain.definitions.plan import Violation
from services.ingest.domain.definitions.shape import Shape
from shared.contracts import keepable
from shared.database.database import Work
from shared.database.rows import columns, rows_as

MAX_TAIL: Final = 200  # watched events read at a time

_decode_shape = msgspec.json.Decoder(Shape).decode


class StoredFigure(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of a source came to something on a day, for a reason."""

    day: date
    outcome: str
    reason: str
    events: int


class StoredViolation(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong with some events: the rule they broke, and the text on the last of them."""

    event: str
    rule: str
    mode: str
    events: int
    last_at: datetime
    said: str


async def add_figures(work: Work, figures: Mapping[tuple[UUID, str, str], int]) -> None:
    """Adds to today's figures."""
    rows = sorted(figures.items())
    await work.run(
        """
        INSERT INTO source_figures AS f (source_id, day, outcome, reason, events)
        SELECT source_id, :day, outcome, reason, events
          FROM unnest(
               CAST(:sources AS uuid[]), CAST(:outcomes AS text[]), CAST(:reasons AS text[]), CAST(:events AS bigint[])
               ) AS t(source_id, outcome, reason, events)
            ON CONFLICT (source_id, day, outcome, reason)
            DO UPDATE SET events = f.events + excluded.events
        """,
        day=work.now.date(),
        sources=[source_id for (source_id, _, _), _ in rows],
        outcomes=[outcome for (_, outcome, _), _ in rows],
        reasons=[reason for (_, _, reason), _ in rows],
        events=[events for _, events in rows],
    )


async def figures(work: Work, source_id: UUID, *, since: date) -> Sequence[StoredFigure]:
    """Returns a source's figures by day, outcome and reason, newest day first."""
    return await rows_as(
        work,
        StoredFigure,
        f"""
        SELECT {columns(StoredFigure)}
          FROM source_figures
         WHERE source_id = :id AND day >= :since
         ORDER BY day DESC, outcome, reason
        """,
        id=source_id,
        since=since,
    )


async def reasons(work: Work, source_ids: Sequence[UUID], *, outcome: str) -> dict[UUID, set[str]]:
    """Returns by source every reason that was ever counted under this outcome."""
    rows = await work.rows(
        """
        SELECT DISTINCT source_id, reason
        FROM source_figures
        WHERE source_id = ANY(CAST(:ids AS uuid[])) AND outcome = :outcome
        """,
        ids=list(source_ids),
        outcome=outcome,
    )
    found: dict[UUID, set[str]] = {}
    for row in rows:
        found.setdefault(row.source_id, set()).add(row.reason)
    return found


async def touch(work: Work, seen: Mapping[UUID, datetime]) -> None:
    """Notes when sources last sent anything."""
    rows = sorted(seen.items())
    await work.run(
        """
        UPDATE sources s SET last_seen_at = greatest(s.last_seen_at, t.at)
          FROM unnest(CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[])) AS t(id, at)
         WHERE s.id = t.id
        """,
        ids=[source_id for source_id, _ in rows],
        moments=[at for _, at in rows],
    )


async def add_violations(work: Work, found: Mapping[tuple[UUID, str, str], tuple[int, Violation]]) -> None:
    """Adds to today's violations."""
    rows = sorted(found.items(), key=lambda item: item[0])
    await work.run(
        """
        INSERT INTO violations AS v (source_id, day, event, rule, mode, events, last_at, said)
        SELECT source_id, :day, event, rule, mode, events, :now, said
          FROM unnest(
               CAST(:sources AS uuid[]), CAST(:names AS text[]), CAST(:rules AS text[]), CAST(:modes AS text[]),
               CAST(:events AS bigint[]), CAST(:texts AS text[])
               ) AS t(source_id, event, rule, mode, events, said)
            ON CONFLICT (source_id, day, event, rule)
            DO UPDATE SET events = v.events + excluded.events,
                          mode = excluded.mode,
                          last_at = excluded.last_at,
                          said = excluded.said
        """,
        day=work.now.date(),
        now=work.now,
        sources=[source_id for (source_id, _, _), _ in rows],
        names=[event for (_, event, _), _ in rows],
        rules=[rule for (_, _, rule), _ in rows],
        modes=[violation.mode.value for _, (_, violation) in rows],
        events=[events for _, (events, _) in rows],
        texts=[violation.text for _, (_, violation) in rows],
    )


async def violations(work: Work, source_id: UUID, *, since: date, limit: int) -> Sequence[StoredViolation]:
    """Returns what was wrong with a source's events since then, most frequent first."""
    return await rows_as(
        work,
        StoredViolation,
        """
        SELECT event,
               rule,
               (array_agg(mode ORDER BY day DESC))[1] AS mode,
               CAST(sum(events) AS bigint) AS events,
               max(last_at) AS last_at,
               (array_agg(said ORDER BY day DESC))[1] AS said
          FROM violations
         WHERE source_id = :id AND day >= :since
         GROUP BY event, rule
         ORDER BY events DESC, event, rule
         LIMIT :limit
        """,
        id=source_id,
        since=since,
        limit=limit,
    )


async def lock_shape(work: Work, source_id: UUID, event: str) -> Shape | None:
    """Returns what is kept of an event's shape, held until the transaction ends."""
    row = await work.row(
        """
        SELECT CAST(shape AS text) AS shape
          FROM shapes
         WHERE source_id = :id AND event = :event
           FOR UPDATE
        """,
        id=source_id,
        event=event,
    )
    return None if row is None else _decode_shape(row.shape)


async def save_shape(work: Work, source_id: UUID, event: str, shape: Shape) -> None:
    """Keeps a shape. If two are new at once, one is lost: there are many samples."""
    await work.run(
        """
        INSERT INTO shapes (source_id, event, shape, first_at, last_at)
        VALUES (:id, :event, CAST(:shape AS jsonb), :now, :now)
            ON CONFLICT (source_id, event)
            DO UPDATE SET shape = excluded.shape, last_at = excluded.last_at
        """,
        id=source_id,
        event=event,
        shape=msgspec.json.encode(shape).decode(),
        now=work.now,
    )


async def shapes(work: Work, source_id: UUID) -> Mapping[str, Shape]:
    """Returns by event what its properties looked like."""
    rows = await work.rows(
        "SELECT event, CAST(shape AS text) AS shape FROM shapes WHERE source_id = :id ORDER BY event", id=source_id
    )
    return {row.event: _decode_shape(row.shape) for row in rows}


# Watched events


async def watch(work: Work, source_id: UUID, *, until: datetime) -> None:
    """Notes that a source is watched until then."""
    await work.run(
        """
        INSERT INTO tails AS t (source_id, until)
        VALUES (:id, :until)
            ON CONFLICT (source_id)
            DO UPDATE SET until = greatest(t.until, excluded.until)
        """,
        id=source_id,
        until=until,
    )


async def watched(work: Work) -> frozenset[UUID]:
    """Returns the sources that are watched now."""
    rows = await work.rows("SELECT source_id FROM tails WHERE until > :now", now=work.now)
    return frozenset(row.source_id for row in rows)


async def add_tail(work: Work, found: Sequence[tuple[UUID, datetime, dict[str, Any]]]) -> None:
    """Keeps watched events."""
    await work.run(
        """
        INSERT INTO tail_events (source_id, at, said)
        SELECT source_id, at, CAST(said AS json)
          FROM unnest(CAST(:sources AS uuid[]), CAST(:moments AS timestamptz[]), CAST(:texts AS text[]))
            AS t(source_id, at, said)
        """,
        sources=[source_id for source_id, _, _ in found],
        moments=[at for _, at, _ in found],
        texts=[keepable.encode(event) for _, _, event in found],
    )


async def tail(work: Work, source_id: UUID, *, after: int | None) -> list[tuple[int, dict[str, Any]]]:
    """Returns watched events after a position; without one, only the position of the end."""
    if after is None:
        row = await work.row("SELECT coalesce(max(id), 0) AS id FROM tail_events")
        return [(row.id if row else 0, {})]
    rows = await work.rows(
        """
        SELECT id, at, CAST(said AS text) AS said
          FROM tail_events
         WHERE source_id = :source AND id > :after
         ORDER BY id
         LIMIT :limit
        """,
        source=source_id,
        after=after,
        limit=MAX_TAIL,
    )
    return [(row.id, {"at": row.at, **msgspec.json.decode(row.said)}) for row in rows]


async def forget_tail(work: Work, *, before: datetime) -> None:
    """Deletes old watched events, and watches that have ended."""
    await work.run("DELETE FROM tail_events WHERE at < :before", before=before)
    await work.run("DELETE FROM tails WHERE until < :before", before=before)
