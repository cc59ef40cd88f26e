"""The responses of the typed routes, of CloudEvents and of webhooks."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class FactAccepted(BaseModel):
    """The fact is durable. The same request has the same id, however often it is sent."""

    event_id: UUID
    status: Literal["accepted"] = "accepted"


class RefusedEvent(BaseModel):
    """An event of a batch that was refused, and is kept in the quarantine: its place in the batch, and why."""

    index: int
    reason_code: str
    reason: str


class BatchTaken(BaseModel):
    """What became of a batch of CloudEvents."""

    accepted: int
    refused: list[RefusedEvent]


class WebhookTaken(BaseModel):
    """What became of a delivery: how many events it made, or why it means nothing here."""

    events: int
    quarantined: int
    ignored: str | None = None
