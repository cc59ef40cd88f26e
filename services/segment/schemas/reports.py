"""Responses with reports."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class ReportOut(BaseModel):
    """What all reports have."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime = Field(description="the moment of which the report tells")


class GroupOut(BaseModel):
    """A tier or a stage, and how many customers stand there."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    customers: int


class GroupsReportOut(ReportOut):
    """Customers by tier, the highest first, or by lifecycle stage."""

    customers: int = Field(description="in all")
    groups: list[GroupOut]


class RfmCellOut(BaseModel):
    """Customers with one recency and one frequency score."""

    model_config = ConfigDict(from_attributes=True)

    recency: int
    frequency: int
    customers: int
    spend_minor: int = Field(description="of these customers, ever")


class RfmReportOut(ReportOut):
    """A grid of customers by recency and frequency score, from 1 to `levels` (best); empty cells are there, too."""

    currency: str
    levels: int
    customers: int = Field(description="who have scores")
    spend_minor: int
    cells: list[RfmCellOut]


class AbcPointOut(BaseModel):
    """What the first so many customers, by revenue, paid together."""

    model_config = ConfigDict(from_attributes=True)

    customers: int
    revenue_minor: int


class AbcClassOut(BaseModel):
    """A class of customers by revenue: A brings the first 80 % of it, B what is left up to 95 %, C the rest.

    Customers with equal revenue are in one class.
    """

    model_config = ConfigDict(from_attributes=True)

    name: str
    customers: int
    revenue_minor: int


class AbcReportOut(ReportOut):
    """How revenue, less refunds, is spread over the customers who paid anything, those with the highest first."""

    currency: str
    customers: int
    revenue_minor: int
    classes: list[AbcClassOut]
    points: list[AbcPointOut] = Field(description="exact; some of the curve, with both ends and those of the classes")


class SizePointOut(BaseModel):
    """How many members a segment has from a moment on; a size is kept until the next point."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    members: int
    entered: int | None = Field(description="since the point before; null where that was not noted")
    exited: int | None


class SegmentSizesOut(BaseModel):
    """The sizes of one segment, in order of time."""

    model_config = ConfigDict(from_attributes=True)

    segment_id: str
    name: str
    points: list[SizePointOut]


class SizesReportOut(ReportOut):
    """Sizes of segments over time."""

    since: datetime
    segments: list[SegmentSizesOut]
