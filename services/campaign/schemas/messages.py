"""Requests and responses about single messages, and about what was sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.schemas.operations import DecisionOut, MessageOut
from services.campaign.schemas.templates import ID
from shared.contracts.events import MARKETING

WORD = r"^[a-z0-9][a-z0-9_-]*$"


class MessageIn(BaseModel):
    """One message to one customer, now."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "template": "win-back",
                    "profile_id": "019c0000-0000-7000-8000-000000000001",
                    "channel": "email",
                    "purpose": "transactional",
                    "properties": {"order_id": "1001"},
                }
            ]
        },
    )

    template: str = Field(pattern=ID, max_length=80, description="a published one")
    profile_id: UUID
    channel: str = Field("email", pattern=WORD, max_length=40)
    purpose: str = Field(
        MARKETING,
        pattern=WORD,
        max_length=40,
        description="what the customer must have agreed to; `transactional` needs no consent",
    )
    properties: dict[str, Any] = Field(default_factory=dict, description="what the template has as `event`")


class DetailedMessageOut(MessageOut):
    """A message, and why it was or was not sent."""

    kind: str = Field(description="what sends it: a journey, a broadcast, or a single request")
    step: str = Field(description="of a journey's, the node that sends it")
    run_id: UUID | None = Field(description="of a journey's, the run")
    decisions: list[DecisionOut] = Field(description="about whatever set it off, the newest first")


class SentCopyOut(BaseModel):
    """A message as it was handed over."""

    model_config = ConfigDict(from_attributes=True)

    message_id: UUID
    at: datetime
    expires_at: datetime = Field(description="when the copy is deleted")
    template: str
    template_version: int
    subject: str
    text: str
    html: str
