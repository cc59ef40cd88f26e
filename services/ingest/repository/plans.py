"""SQL on tracking plans."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import columns, row_as, rows_as


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """When a version of a plan was written, and by whom."""

    version: int
    created_at: datetime
    created_by: str


class StoredPlan(StoredVersion, frozen=True, kw_only=True):
    """A version of a plan."""

    document: dict[str, Any]


async def insert(work: Work, source_id: UUID, document: Any, *, by: str) -> int:
    """Stores a plan as the newest version of its source; two at once follow one another at the source's row."""
    await work.row("SELECT 1 FROM sources WHERE id = :id FOR UPDATE", id=source_id)
    row = await work.row(
        """
        INSERT INTO plans (source_id, version, document, created_at, created_by)
        SELECT :id, coalesce(max(version), 0) + 1, CAST(:document AS jsonb), :now, :by
          FROM plans
         WHERE source_id = :id
        RETURNING version
        """,
        id=source_id,
        document=msgspec.json.encode(document).decode(),
        now=work.now,
        by=by,
    )
    assert row is not None
    version: int = row.version
    return version


async def put_in_force(work: Work, source_id: UUID, version: int | None) -> None:
    """Makes a version the one in force."""
    await work.run(
        "UPDATE sources SET plan_version = :plan, version = version + 1 WHERE id = :id", id=source_id, plan=version
    )


async def one(work: Work, source_id: UUID, version: int) -> StoredPlan | None:
    """Returns a version of a source's plan."""
    return await row_as(
        work,
        StoredPlan,
        f"SELECT {columns(StoredPlan)} FROM plans WHERE source_id = :id AND version = :version",
        id=source_id,
        version=version,
    )


async def versions(work: Work, source_id: UUID) -> Sequence[StoredVersion]:
    """Returns every version of a source's plan, newest first."""
    return await rows_as(
        work,
        StoredVersion,
        f"SELECT {columns(StoredVersion)} FROM plans WHERE source_id = :id ORDER BY version DESC",
        id=source_id,
    )
