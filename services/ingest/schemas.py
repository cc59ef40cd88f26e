"""What the ingest API takes and gives, beside the events themselves."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.ingest.domain.errors import Reason
from shared.http import Text

Name = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Accepted(BaseModel):
    """Every event is on the bus, or in the quarantine."""

    success: Literal[True] = True


class TrackingProblem(BaseModel):
    """Why a request was not taken in, in the shape that SDKs know."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "invalid_json", "message": "body: Input data was truncated"}]}
    )

    code: str
    message: str


class SourceIn(BaseModel):
    """A sender of events. A `public` key may stand in a page; a `server` key is a secret and is believed all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "web shop", "kind": "public"}]})

    name: Name
    kind: Literal["public", "server"] = "server"
    allow_orders: bool = Field(False, description="believe a public key when it speaks of orders")


class SourceCreated(BaseModel):
    """The new source. Its write key is shown here only; null when an `Idempotency-Key` is used again."""

    id: UUID
    write_key: str | None


class SourceOut(BaseModel):
    """One source."""

    id: UUID
    name: str
    kind: str
    allow_orders: bool
    created_at: datetime
    disabled_at: datetime | None


class SourcesOut(BaseModel):
    """Every source, by name."""

    sources: list[SourceOut]


class QuarantinedOut(BaseModel):
    """One event that was refused: `reason` says what was wrong, where, and what to do."""

    id: UUID
    source_id: UUID
    source: str
    received_at: datetime
    reason_code: Reason
    reason: str
    raw: str = Field(description="the event as it came, without a write key; bytes that are no text become U+FFFD")
    message_id: str | None


class QuarantinePage(BaseModel):
    """A page of refused events; `next` is the cursor of the page after it, if there is one."""

    events: list[QuarantinedOut]
    next: str | None


class ReasonsOut(BaseModel):
    """How many events were refused, by reason code."""

    reasons: dict[str, int]
