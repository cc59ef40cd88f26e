"""The inbox in the company's own app: what was put into it, read and dismissed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.campaign.domain.delivery import Accepted, Deferred, Message, Reply
from services.campaign.repository import inbox as repository
from services.campaign.repository.inbox import InboxMessage
from shared.database import aliases
from shared.database.database import DATABASE_ERRORS, Database, Work
from shared.errors import NotFound


class UnknownInboxMessage(NotFound):
    """There is no such message in this customer's inbox."""


class InboxPage(NamedTuple):
    """A page of messages, newest first, and how many of all were neither read nor dismissed."""

    messages: Sequence[InboxMessage]
    unread: int


async def deliver(database: Database, message: Message) -> Reply:
    """Puts a message into its customer's inbox. Returns what came of it; what may be there already is put in again."""
    try:
        async with database.work() as work:
            await repository.insert(work, message)
    except DATABASE_ERRORS as error:
        return Deferred(f"provider: {type(error).__name__}", counted=False)
    return Accepted()


async def page(work: Work, customer: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> InboxPage:
    """Returns a page of a customer's inbox. What came under the id of a merged profile is in it."""
    names = await _names(work, customer)
    return InboxPage(
        await repository.page(work, names, after=after, limit=limit),
        await repository.unread(work, names),
    )


async def mark(work: Work, customer: UUID, message_id: UUID, *, dismissed: bool) -> None:
    """Notes that a customer read a message, or dismissed it. Raises `UnknownInboxMessage`."""
    if not await repository.mark(work, message_id, await _names(work, customer), dismissed=dismissed):
        raise UnknownInboxMessage(f"message {message_id}")


async def _names(work: Work, customer: UUID) -> Sequence[UUID]:
    """Returns the ids under which the token of this subject reads: a merge that nobody vouched for opens nothing."""
    found = await aliases.names(work, customer)
    return found if await aliases.opens(work, customer, found[0]) else [customer]
