"""Requests and responses about lists."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.http import Text

LIST_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
ListId = Annotated[str, Field(pattern=LIST_PATTERN, description="lower-case letters, digits, hyphens and underscores")]


class ListChange(BaseModel):
    """A list's name and description, whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Spring tasting", "description": "Invited on 1 March"}]},
    )

    name: Text = Field(min_length=1, max_length=200)
    description: Text = Field(default="", max_length=2_000)


class ListIn(ListChange):
    """A list to create; it is empty."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"id": "spring-tasting", "name": "Spring tasting", "description": "Invited on 1 March"}]
        },
    )

    id: ListId


class ListOut(BaseModel):
    """A list, and how many customers are on it now."""

    id: str
    name: str
    description: str
    members: int
    revision: int
    author: str
    changed_at: datetime


class ListsOut(BaseModel):
    """A page of lists by id. `next` is the cursor of the page after it, or null."""

    lists: list[ListOut]
    next: str | None


class ListMemberOut(BaseModel):
    """A customer who is on a list."""

    profile_id: UUID
    expires_at: datetime | None


class ListMembersOut(BaseModel):
    """A page of the customers who are on a list, by id. `next` is the cursor of the page after it, or null."""

    members: list[ListMemberOut]
    next: str | None


class BadRowOut(BaseModel):
    """A row that was not taken: its line in the body, from 1, and why."""

    row: int
    reason: str


class UploadOut(BaseModel):
    """What became of an upload: how many rows are published, and each row that is not."""

    upload_id: UUID
    accepted: int
    bad: list[BadRowOut]
