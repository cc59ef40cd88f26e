"""Single messages, and what was sent."""

import hashlib
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Request, Response

from services.campaign.schemas.messages import DetailedMessageOut, MessageIn, SentCopyOut
from services.campaign.schemas.operations import DecisionOut, MessageOut
from services.campaign.service import copies, singles
from services.campaign.service.rules import Rules
from services.campaign.service.singles import MessageRequest, Traced
from shared.http import Caller, Db, once, requires, scoped_key
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["messages"])
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="the same one sends the message once"),
]


@router.post(
    "/messages",
    status_code=201,
    responses={200: {"model": DetailedMessageOut, "description": "the message that was asked for by this key before"}},
    dependencies=[requires("campaign:write")],
    summary="Send one message",
)
async def send(
    request: Request,
    database: Db,
    caller: Caller,
    body: MessageIn,
    response: Response,
    key: IdempotencyKey = None,
) -> DetailedMessageOut:
    """Sends a message to one customer through the gate, as any other. Read it to see what became of it.

    The same `Idempotency-Key` with the same request returns the first message, with 200; with another request 422.
    """
    rules: Rules = request.app.state.rules
    asked = MessageRequest(body.profile_id, body.template, body.channel, body.purpose, body.properties)
    fingerprint = hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()
    async with database.work() as work:
        message_id, made = await once(
            work, scoped_key(caller, "messages", key), fingerprint, lambda: singles.send(work, rules, asked)
        )
        traced = await singles.one(work, message_id)
    if not made:
        response.status_code = 200
    return _shown(traced)


@router.get(
    "/messages/{message_id}", dependencies=[requires("campaign:read")], summary="Read a message, and why it was sent"
)
async def one(database: Db, message_id: UUID) -> DetailedMessageOut:
    """Returns the message with what was decided on whatever set it off."""
    async with database.work() as work:
        return _shown(await singles.one(work, message_id))


@router.get(
    "/messages/{message_id}/copy", dependencies=[requires("campaign:read")], summary="Read a message as it was sent"
)
async def copy(database: Db, message_id: UUID) -> SentCopyOut:
    """Returns subject, text and HTML as they were handed over. They are kept for 90 days; 404 after that, and for a
    message that did not leave.
    """
    async with database.work() as work:
        return SentCopyOut.model_validate(await copies.of_message(work, message_id))


def _shown(traced: Traced) -> DetailedMessageOut:
    message = traced.message
    return DetailedMessageOut(
        **MessageOut.model_validate(message).model_dump(),
        kind=message.kind,
        step=message.step,
        run_id=message.run_id,
        decisions=[DecisionOut.model_validate(row) for row in traced.decisions],
    )
