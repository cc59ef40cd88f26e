"""Requests and responses about programmes of tiers."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from services.segment.domain.programmes.definition import SLUG
from shared.http import Moment, Text

EXAMPLE: Final[JsonDict] = {
    "title": "Tea club",
    "basis": "spend",
    "currency": "CNY",
    "zone": "Asia/Shanghai",
    "window": {"kind": "rolling", "days": 365},
    "tiers": [
        {"name": "bronze", "at_least": 0},
        {"name": "silver", "at_least": 50_000},
        {
            "name": "gold",
            "at_least": 200_000,
            "benefits": [{"name": "free shipping", "details": {"countries": "CN"}, "cost_minor_per_year": 6_000}],
        },
    ],
    "downgrade": {"kind": "grace", "days": 30},
    "warn_days": 14,
}

Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=80)]
Definition = Annotated[
    dict[str, Any],
    Field(description="as `GET /v1/schemas/programme` describes it", examples=[EXAMPLE]),
]


class ProgrammeIn(BaseModel):
    """A definition, and from when it is in force: null is at once."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"definition": EXAMPLE}]})

    definition: Definition
    effective_at: Moment | None = None


class SimulationIn(BaseModel):
    """A definition to try out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"definition": EXAMPLE}]})

    definition: Definition


class RolloutOut(BaseModel):
    """How far everybody has been looked at by a version. `changed` customers have another tier than before."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    effective_at: datetime
    customers: int
    changed: int
    done_at: datetime | None


class ProgrammeOut(BaseModel):
    """The newest version of a programme. `in_force` is the version that counts now, null if none does yet."""

    id: str
    version: int
    definition: dict[str, Any]
    effective_at: datetime
    author: str
    made_at: datetime
    in_force: int | None
    rollout: RolloutOut | None = Field(description="null for the first version of the programme that came with us")
    customers: dict[str, int] = Field(description="how many customers have each tier, as they were looked at last")


class ProgrammesOut(BaseModel):
    """All programmes, by id."""

    programmes: list[ProgrammeOut]


class ProgrammeVersionOut(BaseModel):
    """A version of a programme, which never changes."""

    version: int
    definition: dict[str, Any]
    effective_at: datetime
    author: str
    made_at: datetime


class ProgrammeVersionsOut(BaseModel):
    """Every version, the newest first."""

    versions: list[ProgrammeVersionOut]


class MovedOut(BaseModel):
    """How many customers would go from a tier to a tier; from null where there is no such programme yet."""

    from_tier: str | None
    to_tier: str
    customers: int


class TierMoveOut(BaseModel):
    """A customer who would have another tier, and why."""

    model_config = ConfigDict(from_attributes=True)

    profile_id: UUID
    from_tier: str
    to_tier: str
    reason: str


class CostOut(BaseModel):
    """What the tiers cost in a year, as far as their benefits say, in minor units."""

    currency: str
    minor_per_year: int


class SimulationOut(BaseModel):
    """What a definition would do. `moves` has every pair of tiers that somebody has, those who stay included."""

    at: datetime
    customers: int
    up: int
    down: int
    moves: list[MovedOut]
    sample: list[TierMoveOut] = Field(description="some of those who would have another tier")
    cost_now: CostOut | None
    cost_then: CostOut


class OverrideIn(BaseModel):
    """A tier to give by hand. `at_least`: a higher one that is reached counts; `exactly`: none does."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"tier": "gold", "reason": "a partner", "expires_at": "2099-01-01T00:00:00Z"}]},
    )

    tier: Annotated[Text, Field(min_length=1, max_length=200)]
    mode: Literal["at_least", "exactly"] = "at_least"
    reason: Annotated[Text, Field(min_length=1, max_length=1_000)]
    expires_at: Moment | None = None


class OverrideOut(BaseModel):
    """A tier that was given by hand, by whom, and until when; without a moment, until it is taken back."""

    model_config = ConfigDict(from_attributes=True)

    tier: str
    mode: str
    reason: str
    author: str
    set_at: datetime
    expires_at: datetime | None


class CustomerTierOut(BaseModel):
    """What a customer has in a programme, as it was looked at last."""

    programme: str
    programme_version: int
    tier: str
    figure: int = Field(description="what counts towards the tiers: minor units, or a number of orders")
    reason: str
    since: datetime | None = Field(description="null: always, or not known since an upgrade")
    downgrade_at: datetime | None = Field(description="when the tier ends if nothing is bought")
    downgrade_to: str | None
    warned: bool = Field(description="whether that is as near as the programme warns of")
    by_hand: bool
    benefits: list[dict[str, Any]]
    given: OverrideOut | None


class CustomerTiersOut(BaseModel):
    """What a customer has in each programme, the default one first."""

    profile_id: UUID
    tiers: list[CustomerTierOut]
