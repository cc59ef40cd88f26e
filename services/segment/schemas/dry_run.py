"""Requests and responses about conditions that are tried on the past."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.segment.schemas.segments import Condition
from shared.http import Moment
from shared.http.values import JSON_NUMBER

MAX_SHOWN_TURNS = 100  # of one customer


class DryRunIn(BaseModel):
    """A condition, a period, and whom to look at: these customers, a sample, or by default the whole base."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"condition": {"kind": "did", "event": "order_placed", "window": {"within": "P30D"}}, "sample": 500}
            ]
        },
    )

    condition: Condition
    from_: Moment | None = Field(
        default=None,
        alias="from",
        description="the beginning, of the 730 days that histories go back; 30 days before the end if left out",
    )
    until: Moment | None = Field(default=None, description="the end; now if left out")
    profile_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=500)
    sample: Annotated[
        int | None,
        Field(ge=1, le=5_000, description="about how many customers, from all over the base"),
        JSON_NUMBER,
    ] = None
    cursor: str | None = Field(default=None, description="`next` of the answer before")


class TurnOut(BaseModel):
    """A moment at which a customer would have entered, or left."""

    at: datetime
    entered: bool


class ReplayedOut(BaseModel):
    """A customer who would have been in at any time: at the beginning, at the end, and the turns between.

    `more`: there were more turns than the first 100, or more moments than are looked at.
    """

    profile_id: UUID
    before: bool
    member: bool
    turns: list[TurnOut]
    more: bool


class DayOut(BaseModel):
    """How many customers entered and left on a day in UTC, and how many were in at its end."""

    day: date
    entered: int
    left: int
    size: int


class DryRunOut(BaseModel):
    """What came of the customers who were looked at. The days of several answers add up.

    `next` is the cursor with which to ask for the customers after them, or null.
    """

    looked_at: int
    members: int
    days: list[DayOut]
    customers: list[ReplayedOut]
    next: str | None
