"""SQL on tracking plans."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from shared.database.database import Work

Row = Mapping[str, Any]


async def insert(work: Work, source_id: UUID, document: Any, *, by: str) -> int:
    """Stores a plan as the newest version of its source; two at once follow one another at the source's row."""
    await work.row("SELECT 1 FROM sources WHERE id = :id FOR UPDATE", id=source_id)
    row = await work.row(
        "INSERT INTO plans (source_id, version, document, created_at, created_by) "
        "SELECT :id, coalesce(max(version), 0) + 1, CAST(:document AS jsonb), :now, :by FROM plans "
        "WHERE source_id = :id RETURNING version",
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


async def one(work: Work, source_id: UUID, version: int) -> Row | None:
    """Returns a version of a source's plan."""
    row = await work.row(
        "SELECT version, document, created_at, created_by FROM plans WHERE source_id = :id AND version = :version",
        id=source_id,
        version=version,
    )
    return None if row is None else row._mapping


async def versions(work: Work, source_id: UUID) -> Sequence[Row]:
    """Returns every version of a source's plan, newest first."""
    rows = await work.rows(
        "SELECT version, created_at, created_by FROM plans WHERE source_id = :id ORDER BY version DESC", id=source_id
    )
    return [row._mapping for row in rows]
