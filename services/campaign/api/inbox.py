"""The inbox, for the company's own app: with the token of the customer whose inbox it is."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.campaign.schemas.inbox import InboxMessageOut, InboxOut
from services.campaign.service import inbox as service
from shared.errors import Forbidden
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["inbox"])


async def customer(caller: Caller) -> UUID:
    """Returns the customer whose own token this is. Raises `Forbidden` for any other token."""
    try:
        if not caller.scopes:
            return UUID(caller.subject)
    except ValueError:
        pass
    raise Forbidden("this needs a customer's own token: its subject is the customer's id, and it has no scope")


Customer = Annotated[UUID, Depends(customer)]


@router.get("/inbox", summary="List the customer's messages, newest first")
async def inbox(
    database: Db, me: Customer, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> InboxOut:
    """Returns one page, without what was dismissed. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        found = await service.page(work, me, after=after, limit=limit)
    last = found.messages[-1] if len(found.messages) == limit else None
    return InboxOut(
        messages=[InboxMessageOut.model_validate(one) for one in found.messages],
        unread=found.unread,
        next=encode_cursor(last.created_at, last.id) if last else None,
    )


@router.post("/inbox/{message_id}/read", status_code=204, summary="Mark a message as read")
async def read(database: Db, me: Customer, message_id: UUID) -> None:
    """Notes when the customer read a message. Reading it again changes nothing."""
    async with database.work() as work:
        await service.mark(work, me, message_id, dismissed=False)


@router.post("/inbox/{message_id}/dismiss", status_code=204, summary="Dismiss a message")
async def dismiss(database: Db, me: Customer, message_id: UUID) -> None:
    """Takes a message out of the inbox. Dismissing it again changes nothing."""
    async with database.work() as work:
        await service.mark(work, me, message_id, dismissed=True)
