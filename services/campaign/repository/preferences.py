"""SQL on how often links to preferences are used."""

from datetime import datetime
from uuid import UUID

from shared.database.database import Work


async def count(work: Work, link: UUID, day: datetime) -> int:
    """Counts one change by a link on a day. Returns how many there are now."""
    row = await work.row(
        """
        INSERT INTO preference_changes AS p (link, day, changes)
        VALUES (:link, :day, 1)
            ON CONFLICT (link, day)
            DO UPDATE SET changes = p.changes + 1
        RETURNING changes
        """,
        link=link,
        day=day,
    )
    assert row is not None
    changes: int = row.changes
    return changes


async def forget(work: Work, *, before: datetime) -> None:
    """Deletes the counts of days before this one."""
    await work.run("DELETE FROM preference_changes WHERE day < :before", before=before)
