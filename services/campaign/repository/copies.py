"""SQL on copies of what was sent."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, row_as, upsert

EXPIRED_ROWS = 1_000  # that are deleted in one transaction


class SentCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was handed over. Field names are column names."""

    message_id: UUID
    at: datetime
    expires_at: datetime
    template: str
    template_version: int
    subject: str
    text: str
    html: str


async def keep(work: Work, copies: Sequence[SentCopy]) -> None:
    """Keeps copies; a message that is tried again has the newest."""
    if copies:
        await work.run(upsert("sent_copies", SentCopy, key=("message_id",)), **arrays(copies, SentCopy))


async def of_message(work: Work, message_id: UUID) -> SentCopy | None:
    """Returns the copy of a message that left, or may have left, if it is kept still."""
    return await row_as(
        work,
        SentCopy,
        f"""
        SELECT {columns(SentCopy, "c")}
          FROM sent_copies c
          JOIN messages m ON m.id = c.message_id
         WHERE c.message_id = :id AND c.expires_at > :now AND m.state IN ('sent', 'unknown')
        """,
        id=message_id,
        now=work.now,
    )


async def delete_expired(work: Work) -> int:
    """Deletes copies that have expired, some at a time. Returns how many."""
    return await work.run(
        """
        DELETE FROM sent_copies
         WHERE message_id IN (
               SELECT message_id
                 FROM sent_copies
                WHERE expires_at <= :now
                ORDER BY expires_at
                LIMIT :limit
                  FOR UPDATE SKIP LOCKED
               )
        """,
        now=work.now,
        limit=EXPIRED_ROWS,
    )
