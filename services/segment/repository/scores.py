"""SQL on the base's cut points, and on scores by them for many customers at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain.scores import ScoreCuts, ScoredBase
from services.segment.repository import score_sql
from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as

TAKING_LOCK: Final = 0x5363_6F72  # any number that nobody else locks: one process takes cut points at a time

_decode: Final = msgspec.json.Decoder(ScoreCuts).decode


class StoredCuts(msgspec.Struct, kw_only=True):
    """A version as stored. `applied_at` is None while there are customers who are not scored by it yet."""

    version: int
    taken_at: datetime
    definition: Json
    applied_to: UUID | None
    applied_at: datetime | None

    @property
    def cuts(self) -> ScoreCuts:
        """Returns the version."""
        return _decode(self.definition)


async def newest(work: Work) -> StoredCuts | None:
    """Returns the version in force."""
    return await row_as(work, StoredCuts, f"SELECT {columns(StoredCuts)} FROM score_cuts ORDER BY version DESC LIMIT 1")


async def versions(work: Work, *, before: int | None, limit: int) -> Sequence[StoredCuts]:
    """Returns versions, the newest first, and only those before a version, if it is given."""
    return await rows_as(
        work,
        StoredCuts,
        f"""
        SELECT {columns(StoredCuts)}
          FROM score_cuts
         WHERE CAST(:before AS int) IS NULL OR version < :before
         ORDER BY version DESC
         LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


async def first_taken_at(work: Work) -> datetime | None:
    """Returns when the first version was taken."""
    row = await work.row("SELECT taken_at FROM score_cuts ORDER BY version LIMIT 1")
    return None if row is None else row.taken_at


async def try_to_take(work: Work) -> bool:
    """Returns whether no other process takes cut points now; none does then until the transaction ends."""
    row = await work.row(
        "SELECT pg_try_advisory_xact_lock(CAST(:lock AS int), hashtext(current_schema())) AS mine", lock=TAKING_LOCK
    )
    return bool(row and row.mine)


async def add(work: Work, cuts: ScoreCuts) -> None:
    """Adds a version."""
    await work.run(
        """
        INSERT INTO score_cuts (version, taken_at, definition)
        VALUES (:version, :taken_at, CAST(:definition AS jsonb))
        """,
        version=cuts.version,
        taken_at=cuts.taken_at,
        definition=msgspec.json.encode(cuts).decode(),
    )


async def base(work: Work, at: datetime) -> ScoredBase:
    """Returns the customers with an order by what they score on, counted in one pass."""
    rows = await work.rows(
        """
          WITH scored AS (
               SELECT greatest(0, CAST(extract(day FROM CAST(:at AS timestamptz) - last_order_at) AS bigint))
                      AS silence,
                      CAST(orders AS bigint) AS orders, spend_minor AS spend, revenue_minor AS revenue,
                      CASE WHEN rhythm_pauses > 0 THEN CAST(rhythm_days AS bigint) END AS rhythm
                 FROM standings
                WHERE last_order_at IS NOT NULL
               ),
               counted AS (
               SELECT CASE GROUPING(silence, orders, spend, revenue, rhythm)
                           WHEN 15 THEN 'silence' WHEN 23 THEN 'orders' WHEN 27 THEN 'spend' WHEN 29 THEN 'revenue'
                           ELSE 'rhythm' END AS kind,
                      coalesce(silence, orders, spend, revenue, rhythm) AS value,
                      count(*) AS customers
                 FROM scored
                GROUP BY GROUPING SETS ((silence), (orders), (spend), (revenue), (rhythm))
               )
        SELECT kind, array_agg(value) AS values, array_agg(customers) AS customers
          FROM counted
         WHERE value IS NOT NULL
         GROUP BY kind
        """,
        at=at,
    )
    found = {row.kind: dict(zip(row.values, row.customers, strict=True)) for row in rows}
    kinds = ("silence", "orders", "spend", "revenue", "rhythm")
    return ScoredBase(**{kind: found.get(kind, {}) for kind in kinds})


async def outdated(work: Work, after: UUID, *, limit: int) -> list[UUID]:
    """Returns the next customers whose row a process of a release without scores wrote last."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM standings
         WHERE profile_id > :after AND last_order_at IS NOT NULL AND values_at IS DISTINCT FROM evaluated_at
         ORDER BY profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def claim_application(work: Work) -> StoredCuts | None:
    """Locks the version in force if there may be customers who are not scored by it yet, and nobody works on that."""
    return await row_as(
        work,
        StoredCuts,
        f"""
        SELECT {columns(StoredCuts)}
          FROM score_cuts
         WHERE version = (SELECT max(version) FROM score_cuts) AND applied_at IS NULL
           FOR UPDATE SKIP LOCKED
        """,
    )


async def note_application(work: Work, version: int, *, upto: UUID | None, at: datetime) -> None:
    """Keeps how far customers are scored by a version: up to an id, or all of them."""
    await work.run(
        """
        UPDATE score_cuts
           SET applied_to = :upto,
               applied_at = CASE WHEN CAST(:upto AS uuid) IS NULL THEN CAST(:at AS timestamptz) END
         WHERE version = :version
        """,
        version=version,
        upto=upto,
        at=at,
    )


async def end_of_chunk(work: Work, after: UUID, *, limit: int) -> UUID | None:
    """Returns the last id of the next `limit` customers after an id; None if there are no more than these."""
    row = await work.row(
        "SELECT profile_id FROM standings WHERE profile_id > :after ORDER BY profile_id OFFSET :last LIMIT 1",
        after=after,
        last=limit - 1,
    )
    return None if row is None else row.profile_id


class Differing(msgspec.Struct, kw_only=True):
    """A customer who is not scored by a version yet. `anew`: the stage must be looked at, too."""

    profile_id: UUID
    anew: bool


async def lock_differing(work: Work, cuts: ScoreCuts, after: UUID, upto: UUID | None) -> list[Differing]:
    """Locks those from an id to another whom a version scores otherwise, or whose stage has another rhythm."""
    return await rows_as(
        work,
        Differing,
        f"""
        SELECT profile_id, shop_rhythm_days IS DISTINCT FROM CAST(:rhythm AS int) AS anew
          FROM standings
         WHERE profile_id > :after
           AND (CAST(:upto AS uuid) IS NULL OR profile_id <= :upto)
           AND last_order_at IS NOT NULL
           AND (shop_rhythm_days IS DISTINCT FROM CAST(:rhythm AS int)
                OR ROW({score_sql.NAMES}) IS DISTINCT FROM ROW({score_sql.SCORES}))
         ORDER BY profile_id
           FOR UPDATE
        """,
        after=after,
        upto=upto,
        rhythm=cuts.rhythm_days,
        **score_sql.parameters(cuts),
    )


async def score(work: Work, cuts: ScoreCuts, profile_ids: Sequence[UUID]) -> None:
    """Writes what a version scores for these locked customers."""
    await work.run(
        f"""
        UPDATE standings
           SET ({score_sql.NAMES}) = ROW({score_sql.SCORES})
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND last_order_at IS NOT NULL
        """,
        ids=profile_ids,
        **score_sql.parameters(cuts),
    )
