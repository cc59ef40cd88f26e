"""Cursors and pages."""

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from pydantic import Field

from shared.errors import Invalid

MAX_PAGE: Final = 200

PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE)]


def encode_cursor(*position: str | int | float | UUID | datetime) -> str:
    """Returns an opaque cursor that says after which row the next page begins."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str, shape: Any) -> Any:
    """Returns the position in a cursor, as a tuple of `shape`. Raises `Invalid` if it is not one of ours."""
    try:
        position = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=shape)
        return tuple(utc(part) if isinstance(part, datetime) else part for part in position)
    except (ValueError, RecursionError, msgspec.MsgspecError, Invalid):
        raise Invalid("cursor: not a cursor of this API") from None


def utc(moment: datetime) -> datetime:
    """Returns the same moment in UTC. Raises `Invalid` for one without a zone, or outside the calendar."""
    if moment.tzinfo is None:
        raise Invalid(f"{moment.isoformat()}: has no time zone; add Z or an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(f"{moment.isoformat()}: is outside the calendar") from None
