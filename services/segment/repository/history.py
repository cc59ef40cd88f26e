"""SQL on histories: what customers did, in short, bounded by customer and event."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from services.segment.domain.conditions.base import MAX_HISTORY_ROWS
from services.segment.domain.conditions.customer import ORDERS
from shared.database.database import Work
from shared.database.rows import Json, arrays, unnest


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a customer, in short."""

    profile_id: UUID
    name: str
    at: datetime
    event_id: UUID
    properties: Json = Json("{}")


async def add(work: Work, rows: Sequence[HistoryRow]) -> None:
    """Adds events to histories, and counts them for ever; one that is there is not counted again.

    The caller has locked the customers. Of a customer and a name the newest `MAX_HISTORY_ROWS` stay.
    """
    grown = await work.rows(
        f"""
          WITH added AS (
               INSERT INTO history (profile_id, name, at, event_id, properties)
               SELECT n.profile_id, n.name, n.at, n.event_id, CAST(n.properties AS jsonb)
                 FROM {unnest(HistoryRow, "n")}
                   ON CONFLICT DO NOTHING
            RETURNING profile_id, name, at
               )
        INSERT INTO occurrences AS o (profile_id, name, times, kept, first_at, last_at)
        SELECT profile_id, name, count(*), count(*), min(at), max(at)
          FROM added
         GROUP BY profile_id, name
            ON CONFLICT (profile_id, name)
            DO UPDATE SET times = o.times + excluded.times,
                          kept = o.kept + excluded.kept,
                          first_at = least(o.first_at, excluded.first_at),
                          last_at = greatest(o.last_at, excluded.last_at)
     RETURNING profile_id, name, kept
        """,
        **arrays(rows, HistoryRow),
    )
    full = [(row.profile_id, row.name) for row in grown if row.kept > MAX_HISTORY_ROWS]
    if full:
        await _prune(work, full)


def _key(row: HistoryRow) -> tuple[UUID, UUID]:
    return row.profile_id, row.event_id


async def _prune(work: Work, full: Sequence[tuple[UUID, str]]) -> None:
    """Deletes the oldest events of these customers and names, above the bound."""
    await work.run(
        """
          WITH gone AS (
               DELETE FROM history h
                USING (
                      SELECT profile_id, name, at, event_id,
                             row_number() OVER (PARTITION BY profile_id, name ORDER BY at DESC, event_id DESC) AS place
                        FROM history
                        JOIN unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS w(profile_id, name)
                       USING (profile_id, name)
                      ) r
                WHERE r.place > :most AND h.profile_id = r.profile_id AND h.name = r.name AND h.at = r.at
                  AND h.event_id = r.event_id
               )
        UPDATE occurrences o
           SET kept = :most
          FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS w(profile_id, name)
         WHERE o.profile_id = w.profile_id AND o.name = w.name
        """,
        ids=[profile_id for profile_id, _ in full],
        names=[name for _, name in full],
        most=MAX_HISTORY_ROWS,
    )


async def names(work: Work) -> list[str]:
    """Returns the names of all events in histories, without reading all of them."""
    rows = await work.rows(
        """
          WITH RECURSIVE found AS (
               (SELECT name FROM history ORDER BY name LIMIT 1)
                UNION ALL
               SELECT (SELECT h.name FROM history h WHERE h.name > f.name ORDER BY h.name LIMIT 1)
                 FROM found f
                WHERE f.name IS NOT NULL
               )
        SELECT name FROM found WHERE name IS NOT NULL
        """
    )
    return [row.name for row in rows]


async def forget(work: Work, name: str, before: datetime, *, limit: int) -> int:
    """Deletes events of a name that are older than a moment. Returns how many; `limit` at most."""
    return await work.run(
        """
        DELETE FROM history
         WHERE (profile_id, name, at, event_id) IN (
               SELECT profile_id, name, at, event_id
                 FROM history
                WHERE name = :name AND at < :before
                ORDER BY at
                LIMIT :limit
                  FOR UPDATE SKIP LOCKED)
        """,
        name=name,
        before=before,
        limit=limit,
    )


async def save_orders(work: Work, keys: Iterable[tuple[UUID, UUID]], rows: Sequence[HistoryRow]) -> None:
    """Stores orders as they now stand: of these (customer, id of an order's row) what was there goes."""
    known = sorted(set(keys))
    await work.run(
        """
        DELETE FROM history h
         USING unnest(CAST(:ids AS uuid[]), CAST(:events AS uuid[])) AS w(profile_id, event_id)
         WHERE h.profile_id = w.profile_id AND h.name = :name AND h.event_id = w.event_id
        """,
        ids=[profile_id for profile_id, _ in known],
        events=[event_id for _, event_id in known],
        name=ORDERS,
    )
    if rows:
        ascending = sorted(rows, key=_key)
        await work.run(
            f"""
            INSERT INTO history (profile_id, name, at, event_id, properties)
            SELECT n.profile_id, n.name, n.at, n.event_id, CAST(n.properties AS jsonb)
              FROM {unnest(HistoryRow, "n")}
                ON CONFLICT DO NOTHING
            """,
            **arrays(ascending, HistoryRow),
        )


async def move(work: Work, gone: Mapping[UUID, UUID]) -> None:
    """Gives what merged customers did to those who stand for them; their orders are told anew by who merges them."""
    losers = sorted(gone)
    names = {"losers": losers, "roots": [gone[one] for one in losers]}
    moved = await work.rows(
        """
          WITH went AS (
               DELETE FROM history h
                USING unnest(CAST(:losers AS uuid[]), CAST(:roots AS uuid[])) AS g(loser, root)
                WHERE h.profile_id = g.loser
            RETURNING g.root, h.name, h.at, h.event_id, h.properties
               ), joined AS (
               INSERT INTO history (profile_id, name, at, event_id, properties)
               SELECT root, name, at, event_id, properties
                 FROM went
                WHERE name <> :orders
                   ON CONFLICT DO NOTHING
               ), counted AS (
               DELETE FROM occurrences o
                USING unnest(CAST(:losers AS uuid[]), CAST(:roots AS uuid[])) AS g(loser, root)
                WHERE o.profile_id = g.loser
            RETURNING g.root, o.name, o.times, o.kept, o.first_at, o.last_at
               )
        INSERT INTO occurrences AS o (profile_id, name, times, kept, first_at, last_at)
        SELECT root, name, sum(times), sum(kept), min(first_at), max(last_at)
          FROM counted
         GROUP BY root, name
            ON CONFLICT (profile_id, name)
            DO UPDATE SET times = o.times + excluded.times,
                          kept = o.kept + excluded.kept,
                          first_at = least(o.first_at, excluded.first_at),
                          last_at = greatest(o.last_at, excluded.last_at)
     RETURNING profile_id, name, kept
        """,
        orders=ORDERS,
        **names,
    )
    full = [(row.profile_id, row.name) for row in moved if row.kept > MAX_HISTORY_ROWS]
    if full:
        await _prune(work, full)
