"""The quarantine, as the API accepts and returns it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from services.ingest.domain.definitions.repair import RepairDocument
from services.ingest.domain.errors import Reason
from shared.http import JSON_NUMBER, Boolean, Text
from shared.http.openapi import schema_of

State = Literal["held", "released", "dropped"]


def _as_text(raw: bytes) -> str:
    return raw.decode(errors="replace")


class QuarantinedOut(BaseModel):
    """One refused payload. `reason` says what is wrong, where, and what to do."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source_id: UUID
    source: str
    received_at: datetime
    way: str = Field(description="the method by which it came: tracking, typed, cloudevents, webhook or file")
    reason_code: Reason
    reason: str
    raw: Annotated[str, BeforeValidator(_as_text)] = Field(
        description="the payload as it came, without write keys; bytes that are not UTF-8 become U+FFFD"
    )
    message_id: str | None
    state: State
    decided_at: datetime | None
    decided_by: str | None
    note: str | None


class QuarantinePage(BaseModel):
    """A page of refused payloads; `next` is the cursor of the page after it, if there is one."""

    events: list[QuarantinedOut]
    next: str | None


class ReasonsOut(BaseModel):
    """How many payloads are held, by reason code."""

    reasons: dict[str, int]


class ReleaseIn(BaseModel):
    """How to release a payload: as it is, or repaired. `set` has a mapping's fields; `remove` names what to omit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"repair": {"set": {"properties.currency": {"value": "EUR"}}}}]},
    )

    repair: Annotated[dict[str, Any], WithJsonSchema(schema_of(RepairDocument))] | None = None
    dry_run: Boolean = Field(False, description="report what would happen, and change nothing")


class ReleaseManyIn(ReleaseIn):
    """Which held payloads to release, oldest first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"reason": "currency", "repair": {"set": {"properties.currency": {"value": "EUR"}}}, "limit": 100}
            ]
        },
    )

    source_id: UUID | None = None
    reason: Reason | None = None
    import_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=500), JSON_NUMBER] = 100


class ReleasedOut(BaseModel):
    """What became of one payload: the events that it made, or why it is still refused."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    released: bool
    events: int
    reason: str


class ReleasedManyOut(BaseModel):
    """What became of each payload."""

    released: list[ReleasedOut]


class DropIn(BaseModel):
    """Why the payload is given up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "a test of the till"}]})

    note: Text = Field(min_length=1, max_length=500)
