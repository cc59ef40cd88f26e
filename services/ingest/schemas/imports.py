"""Imports, as the API accepts and returns them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from services.ingest.domain.formats.files import Options
from shared.http import Text
from shared.http.openapi import schema_of


class ImportIn(BaseModel):
    """A file to be imported. `options` say how to read it. Its bytes are uploaded next."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "source": "web shop",
                    "name": "orders-2025.csv",
                    "options": {"format": "csv", "preset": "orders"},
                }
            ]
        },
    )

    source: Text | None = Field(
        None, min_length=1, max_length=100, description="the source's name; or give `source_id`"
    )
    source_id: UUID | None = None
    name: Text = Field(min_length=1, max_length=300, description="the file's name")
    options: Annotated[dict[str, Any], WithJsonSchema(schema_of(Options))]

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.source_id is None):
            raise ValueError("name the file's source: by source, its name, or by source_id")
        return self


class ImportCreated(BaseModel):
    """The import; send its file to `PUT /v1/imports/{id}/content`."""

    id: UUID


class ImportOut(BaseModel):
    """How far an import has come. Times and numbers are as of its last batch."""

    id: UUID
    source_id: UUID
    source: str
    name: str
    bytes: int
    options: dict[str, Any]
    state: Literal["uploading", "waiting", "running", "done", "failed"]
    next_row: int = Field(description="rows read")
    events: int
    refused: int = Field(description="rows, or groups of rows, that were refused")
    error: str | None
    created_by: str
    created_at: datetime
    changed_at: datetime


class ImportsOut(BaseModel):
    """A page of imports, newest first."""

    imports: list[ImportOut]
    next: str | None
