"""Requests and responses about journeys and their runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.campaign.domain.journey.definition import Published
from services.campaign.domain.journey.document import written
from services.campaign.domain.journey.impact import Impact
from services.campaign.domain.journey.problems import Problem

DEFINITION: dict[str, Any] = {
    "name": {"en": "Thanks for a first order", "zh": "感谢首单"},
    "trigger": {"type": "event", "event": "order_placed"},
    "again": {"type": "once"},
    "start": "pause",
    "nodes": {
        "pause": {"type": "wait", "time": "PT1H", "next": "thanks"},
        "thanks": {"type": "message", "channel": "email", "template": "welcome-to-tier"},
    },
}


class WarningOut(BaseModel):
    """What may be wrong with a definition, and where: a JSON pointer."""

    at: str
    message: str

    @classmethod
    def all_of(cls, problems: Sequence[Problem]) -> list[Self]:
        """Returns the warnings among problems."""
        return [cls(at=one.at, message=one.message) for one in problems if one.warning]


class JourneyIn(BaseModel):
    """A journey to create, as a draft. `docs/journeys.schema.json` has the form of a definition."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "first-order", "definition": DEFINITION}]}
    )

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)
    definition: dict[str, Any] = Field(description="without id and version")


class JourneyChange(BaseModel):
    """A new text of the draft."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"definition": DEFINITION}]})

    definition: dict[str, Any] = Field(description="without id and version")


class DraftOut(BaseModel):
    """A draft: what the next version will be."""

    revision: int
    definition: dict[str, Any]
    updated_at: datetime
    updated_by: str


class JourneyOut(BaseModel):
    """A journey in its newest version, and its draft. `version` is null while nothing is published."""

    id: str
    version: int | None
    name: dict[str, str] = Field(
        description="the journey's name by language", examples=[{"en": "Win back", "zh": "挽回即将流失的顾客"}]
    )
    active: bool = Field(description="false while the journey is paused or not published")
    definition: dict[str, Any]
    draft: DraftOut | None

    @classmethod
    def fields(cls, journey_id: str, published: Published | None, draft: DraftOut | None) -> Mapping[str, Any]:
        """Returns the fields of a journey, as the API gives it."""
        definition = written(published.journey) if published else draft.definition if draft else {}
        return {
            "id": journey_id,
            "version": published.journey.version if published else None,
            "name": definition["name"],
            "active": published.active if published else False,
            "definition": definition,
            "draft": draft,
        }


class JourneySaved(JourneyOut):
    """A journey that was written, and what may be wrong with it."""

    warnings: list[WarningOut]
    moved: int = Field(0, description="runs that follow the version that was published")


class JourneysOut(BaseModel):
    """Every journey."""

    journeys: list[JourneyOut]


class PublishIn(BaseModel):
    """What becomes of runs that are on their way."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"move": "stay"}]})

    move: Literal["stay", "follow"] = Field(
        "stay",
        description="`stay`: they go on by the version that they entered; `follow`: those whose node the new version "
        "has go on by it",
    )


class ImpactOut(BaseModel):
    """A node that the draft adds, removes or changes, and how many runs stand before, at and past it."""

    model_config = ConfigDict(from_attributes=True)

    node: str
    change: str = Field(description="added, removed or changed")
    before: int
    at: int
    past: int


class ImpactsOut(BaseModel):
    """Whom the draft concerns."""

    nodes: list[ImpactOut]

    @classmethod
    def of(cls, found: Sequence[Impact]) -> Self:
        """Returns the impacts, as the API gives them."""
        return cls(nodes=[ImpactOut.model_validate(one) for one in found])


class JourneyVersionOut(BaseModel):
    """A version that is published, for ever."""

    version: int
    active: bool
    published_at: datetime
    published_by: str = Field(description="empty for one that came with the service")
    definition: dict[str, Any]


class JourneyVersionsOut(BaseModel):
    """All versions of a journey, the newest first."""

    versions: list[JourneyVersionOut]


class RunIn(BaseModel):
    """A customer who is to enter a journey."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"profile_id": "0198f1de-0000-7000-8000-000000000001", "properties": {"order_id": "1001"}}]
        },
    )

    profile_id: UUID
    properties: dict[str, Any] = Field(default_factory=dict, description="what branches and templates may use")


class RunOut(BaseModel):
    """One customer's way through a journey."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    journey_id: str
    version: int
    profile_id: UUID
    entry_key: str = Field(description="what the customer entered for: an order id, or the id of the trigger")
    trigger_id: str
    entered_at: datetime
    state: str = Field(description="active, finished or exited")
    reason: str = Field(description="why it is over")
    ended_at: datetime | None
    node: str = Field(description="where it stands, or stood last")
    awaits: str = Field(description="what it waits for beside time")
    waiting_since: datetime
    due_at: datetime | None = Field(description="when time alone moves it")


class RunsOut(BaseModel):
    """A page of runs. `next` is the cursor of the page after it, or null."""

    runs: list[RunOut]
    next: str | None = None


class StepOut(BaseModel):
    """What a node did on a visit: the way by which it was left, or that the run waits or is over."""

    model_config = ConfigDict(from_attributes=True)

    visit: int
    node: str
    kind: str
    outcome: str
    detail: str
    at: datetime


class TraceOut(RunOut):
    """A run, and what it did."""

    steps: list[StepOut]


class MadeUpIn(BaseModel):
    """An event that is made up."""

    model_config = ConfigDict(extra="forbid")

    event: str = Field(min_length=1, max_length=200, examples=["order_placed"])
    at: AwareDatetime = Field(examples=["2026-03-01T12:00:00Z"])
    properties: dict[str, Any] = Field(default_factory=dict)


class DryRunIn(BaseModel):
    """A made-up customer who goes through a journey, with time running fast."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "entered_by": {"event": "order_placed", "at": "2026-03-01T12:00:00Z"},
                    "later": [{"event": "message_opened", "at": "2026-03-01T14:00:00Z"}],
                    "time_zone": "Asia/Shanghai",
                    "tiers": {"default": "gold"},
                    "messages": {"thanks": "refused: no_consent"},
                }
            ]
        },
    )

    definition: dict[str, Any] | None = Field(
        None, description="a definition to try; without it the draft is tried, or what is published"
    )
    entered_by: MadeUpIn
    later: list[MadeUpIn] = Field(default_factory=list, max_length=200)
    profile_id: UUID | None = Field(None, description="whose way a split takes; somebody's without it")
    time_zone: str = Field("UTC", max_length=60)
    tiers: dict[str, str] = Field(default_factory=dict, description="the tier in each programme")
    stage: str = ""
    segments: list[str] = Field(default_factory=list, max_length=200)
    messages: dict[str, str] = Field(
        default_factory=dict,
        description="what becomes of the messages of a node: `sent`, or such as `refused: no_consent`",
    )


class DryRunOut(BaseModel):
    """What the customer went through. `complete` is false if the journey goes on for longer than was looked at."""

    model_config = ConfigDict(from_attributes=True)

    entered: bool
    state: str
    reason: str
    steps: list[StepOut]
    complete: bool


class ShelfJourneyOut(BaseModel):
    """A journey that comes ready, and the templates that it needs."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    journey: dict[str, Any]
    templates: dict[str, dict[str, Any]]


class ShelfOut(BaseModel):
    """What stands on the shelf."""

    journeys: list[ShelfJourneyOut]
