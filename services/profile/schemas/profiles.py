"""Requests and responses of the profile API."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from services.profile.domain.rates import text_of


class Rating(BaseModel):
    """The customer's responses to one survey. `answers` counts them."""

    answers: int
    average: float


class TopName(BaseModel):
    """A name and how often it was counted."""

    name: str
    times: int


class ConsentOut(BaseModel):
    """Consent to one channel and purpose: its state, since when, and by which source."""

    channel: str
    purpose: str
    state: Literal["granted", "withdrawn"]
    changed_at: datetime = Field(description="by the customer's time; 1900-01-01T00:00:00Z if nobody knows when")
    event_id: UUID | None = Field(
        description="the event that made the change; null for changes from before this was kept"
    )
    source_id: str | None = Field(description="the source of that event")
    source_kind: str | None = Field(description="public, server or service")
    evidence: dict[str, Any] = Field(
        description="how consent was given or withdrawn: the form, its wording, a confirmation, …"
    )


class ConsentsOut(BaseModel):
    """A customer's consent, by channel and purpose. Consent that is not listed was never given."""

    profile_id: UUID
    consents: list[ConsentOut]


class ProfileSummary(BaseModel):
    """A customer in a list. Money is in minor units by ISO 4217 currency; times are UTC."""

    id: UUID
    version: int
    first_seen: datetime
    last_seen: datetime
    identities: dict[str, list[str]]
    traits: dict[str, Any]
    consent: dict[str, bool] = Field(
        description="true where granted; a name is a channel, whose purpose is marketing, or `channel:purpose`",
        examples=[{"email": True, "email:newsletter": False}],
    )
    events: int
    page_views: int
    feedback: dict[str, Rating]
    orders: int = Field(description="orders placed and not cancelled")
    spend_minor: dict[str, int] = Field(description="paid and not refunded")
    first_order_at: datetime | None
    last_order_at: datetime | None


class TimeZoneOut(BaseModel):
    """A customer's time zone."""

    name: str = Field(description="its IANA name", examples=["Asia/Shanghai"])
    by: Literal["customer", "trait", "context", "country", "company"] = Field(
        description="what it is known by: the customer's own word (a trait of an identify call), a trait that a system "
        "set, the newest context, a country that has one zone, or the company's setting"
    )


class LanguageOut(BaseModel):
    """A customer's language."""

    tag: str = Field(description="a tag of BCP 47", examples=["zh-CN"])
    by: Literal["customer", "trait", "context"] = Field(description="what it is known by, as of a time zone")


class DatedFactOut(BaseModel):
    """A day of a customer's life that comes again each year: a birthday, the day of a child's birth, …"""

    kind: str = Field(examples=["birthday"])
    label: str = Field(description="tells several of one kind apart, such as children; else empty")
    date: str = Field(description="YYYY-MM-DD, or --MM-DD where nobody knows the year", examples=["1990-05-17"])
    calendar: Literal["gregorian", "lunar"]
    leap_month: bool = Field(description="whether its month is the leap month of that number; in the lunar calendar")


class ProfileOut(ProfileSummary):
    """The 360° view of one customer."""

    merged_ids: list[UUID] = Field(description="the ids of profiles that were merged into this one; they still work")
    refunded_minor: dict[str, int] = Field(description="all refunds, by their own currency")
    refunds_not_counted_minor: dict[str, int] = Field(
        description="those of the refunds that are in another currency than their order's: they are taken off no "
        "spend. Send them again, with the same refund_id, in the order's currency"
    )
    margin_minor: dict[str, int] = Field(description="margin over the orders whose costs are known")
    top: dict[str, list[TopName]] = Field(
        description="the most frequent names by kind: page, product_viewed, category_viewed, category_bought"
    )
    time_zone: TimeZoneOut
    language: LanguageOut | None = Field(description="null where nothing says one")
    dated_facts: list[DatedFactOut]


class ProfilesOut(BaseModel):
    """A page of customers. `next` is the cursor of the page after it, or null."""

    profiles: list[ProfileSummary]
    next: str | None


class TimelineEnds(BaseModel):
    """How far the history goes: for each partition of `rapport.profile-events.v1`, in order, a position in it."""

    ends: list[str]


class TimelineEventOut(BaseModel):
    """One event. With `claim` it is kept, but not believed: its source is not trusted with it."""

    model_config = ConfigDict(from_attributes=True)

    event_id: UUID
    type: str
    occurred_at: datetime
    received_at: datetime
    source_id: str
    source_kind: str
    historical: bool
    unverified: bool
    body: dict[str, Any]
    stated_at: datetime | None = Field(description="when it happened by its sender's clock, before any correction")
    context: dict[str, Any] | None = Field(description="page, campaign, user agent, place, … where they are known")


class TimelineOut(BaseModel):
    """A page of a customer's events, newest first."""

    profile_id: UUID
    events: list[TimelineEventOut]
    next: str | None


class SharedValueOut(BaseModel):
    """A value that trusted sources name with customers whom it is not linked to."""

    namespace: str
    value: str
    owner_id: UUID | None = Field(
        description="the customer whom it was linked to first; null if it is linked to nobody"
    )
    customers: int = Field(description="how many other customers gave it, each of whom stays a customer of their own")
    blocked: bool = Field(description="whether it has passed its limit (IDENTITY_LIMIT_…): then it links nobody more")
    reasons: list[str]
    first_at: datetime
    last_at: datetime


class SharedValuesOut(BaseModel):
    """A page of shared values, most customers first. `next` is the cursor of the page after it, or null."""

    values: list[SharedValueOut]
    next: str | None


class TotalOut(BaseModel):
    """Orders and spend of all customers in one currency."""

    currency: str
    orders: int
    spend_minor: int


class TotalsOut(BaseModel):
    """Totals by currency."""

    totals: list[TotalOut]


MAX_RATES: Final = 1_000  # of one request

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RATE: Final = re.compile(r"[0-9]{1,13}([.][0-9]{1,12})?")


def _day(value: object) -> object:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-03-01")
    return value


def _rate(value: object) -> Decimal:
    # A number that went through a float is what its shortest text says: 1.0834, and not what lies beside it.
    text = value if isinstance(value, str) else "" if isinstance(value, bool) else format(Decimal(str(value)), "f")
    if not _RATE.fullmatch(text):
        raise ValueError("must be a decimal number with at most 12 decimals, such as 1.0834, best as a text")
    return Decimal(text)


def _any_rate(value: object) -> Decimal:
    if not isinstance(value, str | int | float):
        raise ValueError("must be a decimal number, such as 1.0834")
    return _rate(value)


CurrencyCode = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
Day = Annotated[date, BeforeValidator(_day)]


class RateIn(BaseModel):
    """What one unit of the base was worth in the quoted currency on a day."""

    model_config = ConfigDict(extra="forbid")

    base: CurrencyCode
    quote: CurrencyCode
    day: Day
    rate: Annotated[
        Decimal,
        BeforeValidator(_any_rate),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "pattern": "^[0-9]{1,13}([.][0-9]{1,12})?$"},
                    {"type": "number", "minimum": 1e-12, "maximum": 1e12},
                ]
            }
        ),
    ] = Field(description="a decimal number, of at most 18 digits; as a text it is taken exactly")


class RatesIn(BaseModel):
    """Rates to state."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"rates": [{"base": "EUR", "quote": "USD", "day": "2026-02-27", "rate": "1.0834"}]}]
        },
    )

    rates: list[RateIn] = Field(min_length=1, max_length=MAX_RATES)


class RatesStatedOut(BaseModel):
    """How many rates are new, how many correct another, and how many were there as they are."""

    added: int
    corrected: int
    unchanged: int


class RateOut(BaseModel):
    """A rate as it stands: what one unit of the base was worth in the quoted currency on that day."""

    model_config = ConfigDict(from_attributes=True)

    base: str
    quote: str
    day: date
    rate: Annotated[Decimal, PlainSerializer(text_of, return_type=str)] = Field(description="a decimal number, as text")
    stated_at: datetime
    stated_by: str = Field(description="the subject of the token that stated it")


class RatesOut(BaseModel):
    """A page of rates, by base, quote and day."""

    rates: list[RateOut]
    next: str | None = Field(description="cursor of the next page; null on the last")
