"""Requests and responses about broadcasts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.schemas.journeys import WarningOut

DEFINITION: dict[str, Any] = {
    "name": {"en": "Spring sale", "zh": "春季特卖"},
    "segment": "tea-lovers",
    "channel": "email",
    "template": "win-back",
    "local": {"date": "2027-03-20", "time": "10:00"},
    "per_minute": 6000,
}


class BroadcastIn(BaseModel):
    """A broadcast to create, as a draft."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "spring-sale", "definition": DEFINITION}]}
    )

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)
    definition: dict[str, Any] = Field(description="segment, template and channel, and when: docs/campaign.md")


class BroadcastChange(BaseModel):
    """A new text of a draft."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"definition": DEFINITION}]})

    definition: dict[str, Any] = Field(description="without id")


class BroadcastOut(BaseModel):
    """A broadcast, and how far it has come."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    revision: int
    state: str = Field(description="draft, scheduled, running, paused, done or cancelled")
    reason: str = Field(description="why it paused by itself; else empty")
    definition: dict[str, Any]
    trigger_id: UUID = Field(description="the trigger of its messages")
    starts_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    segment_version: int | None = Field(description="by which its audience was drawn")
    audience: int | None = Field(description="how many it goes to, fixed at its start")
    done_to: int = Field(description="how many of them have a message so far")


class BroadcastSaved(BroadcastOut):
    """A broadcast that was written, and what may be wrong with it."""

    warnings: list[WarningOut]


class BroadcastsOut(BaseModel):
    """A page of broadcasts. `next` is the cursor of the page after it, or null."""

    broadcasts: list[BroadcastOut]
    next: str | None


class ProgressOut(BaseModel):
    """How a broadcast's messages stand. The gate's reasons are among the decisions."""

    model_config = ConfigDict(from_attributes=True)

    pending: int = Field(description="waiting, or in hand")
    sent: int
    refused: int = Field(description="by the gate")
    failed: int = Field(description="by their provider")
    unknown: int = Field(description="may have been sent, and never are again")
    bad_addresses: int = Field(description="of the failed ones, those whose address takes nothing")


class BroadcastShown(BroadcastOut):
    """A broadcast, and how its messages stand."""

    progress: ProgressOut
