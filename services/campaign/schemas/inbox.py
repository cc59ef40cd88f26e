"""Responses of the inbox."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class InboxMessageOut(BaseModel):
    """One message in the inbox."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    subject: str
    text: str
    created_at: datetime
    read_at: datetime | None = Field(description="when it was read first, or null")


class InboxOut(BaseModel):
    """A page of the inbox. `next` is the cursor of the page after it, or null."""

    messages: list[InboxMessageOut]
    unread: int = Field(description="messages, on all pages, that were neither read nor dismissed")
    next: str | None
