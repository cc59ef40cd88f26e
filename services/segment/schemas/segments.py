"""Requests and responses about segments."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.http import Text
from shared.http.values import JSON_NUMBER

SegmentId = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="lower-case letters, digits, hyphens and underscores",
        examples=["no-order-30-days"],
    ),
]
_CONDITION: Final[dict[str, Any]] = {
    "kind": "all",
    "of": [
        {"kind": "tier", "among": ["gold"]},
        {"kind": "did", "event": "order_placed", "op": "eq", "times": 0, "window": {"within": "P30D"}},
    ],
}
_NAME: Final = "Gold, silent for 30 days"
_SOMEBODY: Final = "00000000-0000-4000-8000-00000000002a"
Condition = Annotated[
    dict[str, Any], Field(description="a condition, as docs/conditions.md has it", examples=[_CONDITION])
]


class SegmentIn(BaseModel):
    """A segment to create: a draft until it is published."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"id": "no-order-30-days", "name": _NAME, "condition": _CONDITION}]},
    )

    id: SegmentId
    name: Text = Field(min_length=1, max_length=200, examples=[_NAME])
    description: Text = Field(default="", max_length=2_000)
    condition: Condition


class SegmentChange(BaseModel):
    """A segment's name and draft, whole."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": _NAME, "condition": _CONDITION}]}
    )

    name: Text = Field(min_length=1, max_length=200, examples=[_NAME])
    description: Text = Field(default="", max_length=2_000)
    condition: Condition


class SegmentOut(BaseModel):
    """A segment. `draft` is its condition as it was last edited; `live_version` is the version in force."""

    id: str
    revision: int
    state: Literal["draft", "live", "archived"]
    name: str
    description: str
    draft: dict[str, Any]
    live_version: int | None
    members: int | None = Field(description="of a live segment")
    author: str
    created_at: datetime
    changed_at: datetime


class WarningOut(BaseModel):
    """What is odd about a condition, and where in it."""

    at: str = Field(description="a JSON pointer into the condition", examples=["/of/1/event"])
    message: str


class SegmentSaved(SegmentOut):
    """A segment that was saved or published, with what is odd about its draft."""

    warnings: list[WarningOut]


class SegmentsOut(BaseModel):
    """A page of segments by id. `next` is the cursor of the page after it, or null."""

    segments: list[SegmentOut]
    next: str | None


class SegmentVersionOut(BaseModel):
    """A published version. `looked_at` customers of the base were looked at by it; `backfilled_at` is when all were."""

    version: int
    name: str
    condition: dict[str, Any]
    author: str
    effective_at: datetime
    backfilled_at: datetime | None
    looked_at: int


class SegmentVersionsOut(BaseModel):
    """The versions of a segment, newest first."""

    versions: list[SegmentVersionOut]


class MemberOut(BaseModel):
    """A customer in a segment."""

    profile_id: UUID
    since: datetime
    due_at: datetime | None = Field(description="when passing time alone may end it")


class MembersOut(BaseModel):
    """A page of the customers in a segment, by id. `next` is the cursor of the page after it, or null."""

    members: list[MemberOut]
    next: str | None


class MembershipOut(BaseModel):
    """A segment that a customer is in."""

    segment_id: str
    version: int
    since: datetime
    due_at: datetime | None


class MembershipsOut(BaseModel):
    """The segments that a customer is in."""

    profile_id: UUID
    segments: list[MembershipOut]


class ConditionIn(BaseModel):
    """A condition to try."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"condition": _CONDITION}]})

    condition: Condition


class PreviewOut(BaseModel):
    """How many customers a condition matches now, of how many, and some of them, by id; and what is odd about it."""

    matches: int
    of: int
    sample: list[UUID]
    warnings: list[WarningOut]


class PositionIn(BaseModel):
    """Where an event of a customer lies, as its envelope says; `profile_id` is the id that the customer has in it."""

    model_config = ConfigDict(extra="forbid")

    origin: Annotated[int, Field(ge=-(2**63), lt=2**63, examples=[3]), JSON_NUMBER]
    sequence: Annotated[int, Field(ge=0, lt=2**63, examples=[1841]), JSON_NUMBER]
    profile_id: UUID | None = Field(default=None, description="may be left out where one customer is asked about")


class EvaluateIn(BaseModel):
    """A condition, and up to 500 customers. `after` are events that must have been read before the answer."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"condition": _CONDITION, "profile_ids": [_SOMEBODY]}]}
    )

    condition: Condition
    profile_ids: list[UUID] = Field(min_length=1, max_length=500, examples=[[_SOMEBODY]])
    after: list[PositionIn] = Field(default=[], max_length=500)


class AnswerOut(BaseModel):
    """What is true of a customer: null where it is unknown, as something that is asked about is missing."""

    profile_id: UUID
    answer: bool | None


class AnswersOut(BaseModel):
    """What is true of each customer."""

    answers: list[AnswerOut]


class OverlapOut(BaseModel):
    """How many customers are in two segments, and in both."""

    segment_id: str
    members: int
    other: str
    other_members: int
    both: int


class ClauseOut(BaseModel):
    """One clause. `answer` is null where it is unknown; `turns_at` is when time alone changes it, if it does.

    `decides`: the whole is what it is by this clause. If all clauses without parts that decide became another, so would
    the whole; and while they stay, a whole that is true or false stays. `touched_by` is what can change it.
    """

    kind: str
    condition: dict[str, Any] | None = Field(description="what it asks; null where it has parts")
    words: dict[str, str] | None = Field(description="what it asks in words, by language; null where it joins others")
    answer: bool | None
    turns_at: datetime | None
    decides: bool
    touched_by: list[str]
    parts: list["ClauseOut"]


class ExplanationOut(BaseModel):
    """Why a customer is in a segment or not. `since` is when the membership last changed, if it ever did."""

    profile_id: UUID
    segment_id: str
    member: bool
    since: datetime | None
    turns_at: datetime | None
    clause: ClauseOut
