"""SQL that is the same for every table that has rows of customers, in a column `profile_id`."""

from collections.abc import Iterable
from uuid import UUID

from shared.database.database import Work


async def among(work: Work, table: str, profile_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Returns which of these customers a table has a row of."""
    rows = await work.rows(
        f"SELECT profile_id FROM {table} WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return frozenset(row.profile_id for row in rows)


async def delete(work: Work, tables: Iterable[str], profile_ids: Iterable[UUID]) -> None:
    """Deletes the rows of these customers from tables."""
    ids = sorted(set(profile_ids))
    for table in tables:
        await work.run(f"DELETE FROM {table} WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=ids)
