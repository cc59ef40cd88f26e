"""SQL on the inbox."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from services.campaign.domain.delivery import Message
from shared.database.database import Work
from shared.database.rows import columns, rows_as


class InboxMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a customer's inbox. Field names are column names."""

    id: UUID
    subject: str
    text: str
    created_at: datetime
    read_at: datetime | None


async def insert(work: Work, message: Message) -> None:
    """Puts a message into its customer's inbox, once."""
    await work.run(
        """
        INSERT INTO inbox_messages (id, profile_id, subject, text, created_at)
        VALUES (:id, CAST(:profile_id AS uuid), :subject, :text, :now)
            ON CONFLICT DO NOTHING
        """,
        id=message.id,
        profile_id=UUID(message.to),
        subject=message.part("subject"),
        text=message.part("text"),
        now=work.now,
    )


async def page(
    work: Work, profile_ids: Sequence[UUID], *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[InboxMessage]:
    """Returns the messages after a position that were not dismissed, newest first."""
    at, last = after or (None, None)
    return await rows_as(
        work,
        InboxMessage,
        f"""
        SELECT {columns(InboxMessage)}
          FROM inbox_messages
         WHERE profile_id = ANY(CAST(:profile_ids AS uuid[]))
           AND dismissed_at IS NULL
           AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:last AS uuid)))
         ORDER BY created_at DESC, id DESC
         LIMIT :limit
        """,
        profile_ids=profile_ids,
        at=at,
        last=last,
        limit=limit,
    )


async def unread(work: Work, profile_ids: Sequence[UUID]) -> int:
    """Returns how many messages were neither read nor dismissed."""
    row = await work.row(
        """
        SELECT count(*) AS unread
          FROM inbox_messages
         WHERE profile_id = ANY(CAST(:profile_ids AS uuid[])) AND dismissed_at IS NULL AND read_at IS NULL
        """,
        profile_ids=profile_ids,
    )
    return row.unread if row else 0


async def mark(work: Work, message_id: UUID, profile_ids: Sequence[UUID], *, dismissed: bool) -> bool:
    """Notes that a message was read, or dismissed; the first time counts. Returns whether these customers have it."""
    column = "dismissed_at" if dismissed else "read_at"
    found = await work.run(
        f"""
        UPDATE inbox_messages
           SET {column} = coalesce({column}, :now)
         WHERE id = :id AND profile_id = ANY(CAST(:profile_ids AS uuid[]))
        """,
        id=message_id,
        profile_ids=profile_ids,
        now=work.now,
    )
    return found > 0
