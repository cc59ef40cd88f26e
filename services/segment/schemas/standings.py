"""Responses about where customers stand."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class TertilesOut(BaseModel):
    """Scores from 1 to 3 (best)."""

    model_config = ConfigDict(from_attributes=True)

    recency: int
    frequency: int
    monetary: int


class RhythmOut(BaseModel):
    """A customer's buying rhythm, and the days of silence at which a stage begins by it."""

    days: int = Field(description="nine in ten of the pauses between orders are no longer; 0 without a pause")
    pauses: int = Field(description="how many pauses of a day or more there are")
    shop_days: int | None = Field(description="the shop's rhythm; null while the policy's days are for everybody")
    at_risk_days: int
    silent_days: int | None
    churned_days: int


class StandingOut(BaseModel):
    """A customer's tier, stage and scores. Scores run from 1 to 5 (best); they are null without an order."""

    model_config = ConfigDict(from_attributes=True)

    profile_id: UUID
    version: int
    tier: str
    tier_reason: str
    stage: str
    stage_reason: str
    recency: int | None
    frequency: int | None
    monetary: int | None
    rfm_group: str | None = Field(description="the group of these scores, of `GET /v1/rfm`")
    tertiles: TertilesOut | None = Field(description="the same in scores from 1 to 3; null before the first version")
    abc: str | None = Field(
        description="the class by share of revenue, of `GET /v1/abc`; null before the first version"
    )
    key_customer: bool
    orders: int
    spend_minor: int = Field(description="what was paid, less refunds, ever, in the policy's currency")
    revenue_minor: int = Field(description="the same in the window of `GET /v1/abc`")
    rhythm: RhythmOut
    window_spend_minor: int = Field(description="in the policy's currency, within the tier window")
    last_order_at: datetime | None
    due_at: datetime | None = Field(
        description="when the passing of time alone may change the tier, the stage or a score"
    )
    evaluated_at: datetime | None
    tier_since: datetime | None = Field(description="null: always, or not known since an upgrade")
    tier_by_hand: bool
    downgrade_at: datetime | None = Field(description="when the tier ends if nothing is bought")
    downgrade_to: str | None
    downgrade_warned: bool = Field(description="whether that is as near as the programme warns of")
    currency: str = Field(description="of the policy: only orders in it count towards the monetary score and ABC")
    not_counted_minor: dict[str, int] = Field(
        description="by currency, what the customer paid, less refunds, in currencies other than the policy's: it is "
        "not counted towards the scores, and towards the tier only where there is a rate"
    )


class StandingRow(BaseModel):
    """A customer with tier, stage and scores. Scores run from 1 to 5 (best); they are null without an order."""

    model_config = ConfigDict(from_attributes=True)

    profile_id: UUID
    tier: str
    stage: str
    recency: int | None
    frequency: int | None
    monetary: int | None
    rfm_group: str | None
    abc: str | None
    key_customer: bool
    orders: int
    window_spend_minor: int = Field(description="in the policy's currency, within the tier window")
    last_order_at: datetime | None


class StandingsOut(BaseModel):
    """A page of customers. `next` is the cursor of the page after it, or null."""

    standings: list[StandingRow]
    next: str | None


class TierOut(BaseModel):
    """A tier, what it requires, and how many customers have it."""

    name: str
    from_minor: int = Field(description="in minor units of the currency; of the basis `orders`, a number of orders")
    customers: int


class TiersOut(BaseModel):
    """The tiers, lowest first. `window_days` is null where the programme's window is no number of days."""

    basis: str = Field(description="what is measured: spend, orders or margin")
    currency: str
    window_days: int | None
    tiers: list[TierOut]


class CountsOut(BaseModel):
    """Customers by tier and by lifecycle stage."""

    tiers: dict[str, int]
    stages: dict[str, int]
