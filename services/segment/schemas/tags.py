"""Requests and responses about tags."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.segment.schemas.segments import SegmentId
from shared.http import Moment, Text

TAG_PATTERN = r"^[^\u0000-\u001f\u007f]{1,256}$"
TagName = Annotated[Text, Field(pattern=TAG_PATTERN, description="1 to 256 characters, no control characters")]
Kind = Literal["manual", "imported", "rule", "journey"]
KIND = "who sets it: people, imports, a rule (the members of `segment_id` have it, and nobody else), or journeys"


class TagChange(BaseModel):
    """A tag's definition, whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "manual", "owner": "Ann", "description": "Asks for tea"}]},
    )

    kind: Kind = Field(description=KIND)
    owner: Text = Field(default="", max_length=200, description="who answers for it")
    description: Text = Field(default="", max_length=2_000)
    segment_id: SegmentId | None = Field(default=None, description="of the kind `rule`, and of no other")

    @model_validator(mode="after")
    def _rule_has_segment(self) -> "TagChange":
        if (self.kind == "rule") != (self.segment_id is not None):
            raise ValueError("segment_id belongs to the kind rule, and to no other")
        return self


class TagIn(TagChange):
    """A tag to define."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "tea lover", "kind": "manual", "owner": "Ann", "description": "Asks for tea"}]
        },
    )

    name: TagName


class TagOut(BaseModel):
    """A tag. One that nobody defined is `undefined`, and has no revision.

    `followed_at` is, of a rule, when everybody whom it concerns had been looked at by it.
    """

    name: str
    kind: Literal["manual", "imported", "rule", "journey", "undefined"]
    customers: int = Field(description="who have it now")
    owner: str = ""
    description: str = ""
    segment_id: str | None = None
    revision: int | None = None
    author: str | None = None
    changed_at: datetime | None = None
    followed_at: datetime | None = None


class TagsOut(BaseModel):
    """A page of tags by name. `next` is the cursor of the page after it, or null."""

    tags: list[TagOut]
    next: str | None


class TagStatementIn(BaseModel):
    """Why a customer gets a tag, and until when."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "asked for the spring list"}]})

    reason: Text = Field(default="", max_length=500)
    expires_at: Moment | None = None


class StatedOut(BaseModel):
    """The id of the fact that was published; it counts once it has come back through profile."""

    event_id: UUID


class CustomerTagOut(BaseModel):
    """A tag that a customer has. `kind` is `undefined` of a tag that nobody defined."""

    tag: str
    kind: Literal["manual", "imported", "rule", "journey", "undefined"]
    since: datetime = Field(description="when what counts was said")
    expires_at: datetime | None


class CustomerTagsOut(BaseModel):
    """The tags that a customer has, by name."""

    profile_id: UUID
    tags: list[CustomerTagOut]
