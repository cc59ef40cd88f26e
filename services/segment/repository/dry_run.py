"""SQL on whom a dry run looks at."""

from collections.abc import Sequence
from uuid import UUID

from services.segment.domain.dry_run import SAMPLE_SEED
from shared.database.database import Work


async def next_customers(work: Work, after: UUID | None, *, limit: int) -> Sequence[UUID]:
    """Returns the next customers after an id."""
    rows = await work.rows(
        """
        SELECT profile_id
          FROM standings
         WHERE CAST(:after AS uuid) IS NULL OR profile_id > :after
         ORDER BY profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return [row.profile_id for row in rows]


async def sample(work: Work, size: int) -> Sequence[UUID]:
    """Returns about so many customers from all over the base, by id: the same ones as long as the base is the same."""
    known = await work.row("SELECT reltuples FROM pg_class WHERE oid = CAST('standings' AS regclass)")
    assert known is not None
    share = min(100.0, 200.0 * size / max(known.reltuples, 1.0))  # twice as many: pages differ in how full they are
    rows = await work.rows(
        """
        SELECT profile_id
          FROM standings TABLESAMPLE SYSTEM (:share) REPEATABLE (:seed)
         ORDER BY md5(CAST(profile_id AS text))
         LIMIT :size
        """,
        share=share,
        seed=SAMPLE_SEED,
        size=size,
    )
    return sorted(row.profile_id for row in rows)
