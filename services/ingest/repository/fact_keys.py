"""SQL on the bodies sent under the idempotency keys of the typed routes."""

from datetime import datetime
from uuid import UUID

from shared.database.database import Work


async def claim(work: Work, event_id: UUID, fingerprint: bytes) -> bytes:
    """Keeps the fingerprint of a body under its key, unless there is one. Returns the one that was kept first."""
    row = await work.row(
        """
        INSERT INTO fact_keys AS k (event_id, fingerprint, at)
        VALUES (:event_id, :fingerprint, :now)
        ON CONFLICT (event_id) DO UPDATE SET fingerprint = k.fingerprint
        RETURNING fingerprint
        """,
        event_id=event_id,
        fingerprint=fingerprint,
        now=work.now,
    )
    assert row is not None
    return bytes(row.fingerprint)


async def forget(work: Work, *, before: datetime, limit: int) -> int:
    """Deletes at most `limit` of those kept before `before`. Returns how many."""
    return await work.run(
        """
        DELETE FROM fact_keys
        WHERE event_id IN (
            SELECT event_id FROM fact_keys WHERE at < :before ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        """,
        before=before,
        limit=limit,
    )
