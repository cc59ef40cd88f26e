"""Responses about scores of the base."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Scale(StrEnum):
    """Into how many parts cut points split the base."""

    QUINTILES = "quintiles"
    TERTILES = "tertiles"


class CutsOut(BaseModel):
    """Cut points, each rising. A score is lost at each of `recency_days`, and won at each of the others."""

    recency_days: list[int] = Field(description="whole days from the last order to `taken_at`")
    frequency_orders: list[int]
    monetary_minor: list[int]


class VersionOut(BaseModel):
    """A version of the cut points. `applied_at` is null while some customers are not scored by it yet."""

    version: int
    taken_at: datetime
    applied_at: datetime | None
    customers: int = Field(description="with an order that counts, when it was taken")
    currency: str
    quintiles: CutsOut
    tertiles: CutsOut
    rhythm_days: int | None = Field(description="the shop's buying rhythm; null while the policy's days are in force")
    rhythm_since: datetime | None


class VersionsOut(BaseModel):
    """A page of versions, the newest first. `next` is the cursor of the page after it, or null."""

    versions: list[VersionOut]
    next: str | None


class CellOut(BaseModel):
    """How many customers have these scores; `group` is null on the scale of tertiles."""

    recency: int
    frequency: int
    monetary: int
    group: str | None
    customers: int


class RfmGroupOut(BaseModel):
    """A named group of scores, with its customers."""

    name: str
    en: str
    zh: str
    advice: str
    customers: int


class RfmOut(BaseModel):
    """RFM of the base. `version` is null before the first: then quintiles are the policy's cut points, and days count
    to the present.

    A row of `grid` is a score of recency, from 5 down to 1, and in it stands the group of each mean of frequency and
    monetary score, halves up, from 1 to 5.
    """

    version: VersionOut | None
    scale: Scale
    cells: list[CellOut] = Field(description="scores that somebody has, the best first")
    groups_version: int
    groups: list[RfmGroupOut]
    grid: list[list[str]]


class ClassOut(BaseModel):
    """An ABC class: the revenue at which it begins, its customers, and what they bring."""

    name: Literal["A", "B", "C"]
    from_minor: int | None = Field(description="null for C, and where nobody has revenue")
    customers: int
    revenue_minor: int


class KeyCustomersOut(BaseModel):
    """Key customers: those of at least this revenue who have ordered at least so many times."""

    from_minor: int | None
    orders: int
    customers: int
    revenue_minor: int


class AbcRuleOut(BaseModel):
    """What the classes mean, in percent of revenue, and key customers, in percent of customers with revenue."""

    model_config = ConfigDict(from_attributes=True)

    window_days: int
    a_percent: int
    b_percent: int
    key_percent: int
    key_orders: int


class AbcOut(BaseModel):
    """ABC of the base: customers by the share of revenue that they bring. `version` is null before the first."""

    version: int | None
    taken_at: datetime | None
    currency: str | None
    rule: AbcRuleOut
    classes: list[ClassOut]
    key_customers: KeyCustomersOut
    curve: list[int] = Field(
        description="what the first 0 %, 1 %, … 100 % of the customers with revenue bring of it, in hundredths of a "
        "percent, when the version was taken"
    )
