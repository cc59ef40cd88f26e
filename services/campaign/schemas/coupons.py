"""Requests and responses about coupons."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class RedeemIn(BaseModel):
    """The order for which a coupon is redeemed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"order_id": "1001", "total_minor": 5000, "currency": "EUR"}]},
    )

    order_id: str = Field(min_length=1, max_length=200)
    total_minor: int = Field(ge=0, le=10**15, description="what the order comes to, in minor units")
    currency: str = Field(pattern="^[A-Z]{3}$")


class CouponOut(BaseModel):
    """A coupon of a customer's own."""

    code: str
    name: str
    profile_id: UUID
    value: Mapping[str, Any] = Field(description="`percent`, or `amount_minor` and `currency`")
    minimum_minor: int | None = Field(description="what an order must come to, in minor units")
    issued_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None
    order_id: str | None


class CouponsOut(BaseModel):
    """A customer's coupons, the newest first."""

    coupons: list[CouponOut]
