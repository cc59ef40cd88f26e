"""Coupons: shown to whoever has them, and redeemed by the shop."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query

from services.campaign.domain.coupon import Coupon
from services.campaign.schemas.coupons import CouponOut, CouponsOut, RedeemIn
from services.campaign.service import coupons
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, require_customer_or, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["coupons"])
Code = Annotated[str, Path(min_length=1, max_length=40, description="a coupon's code, however it was typed")]


@router.get("/coupons/{code}", dependencies=[requires("campaign:read")], summary="Read a coupon")
async def one(database: Db, code: Code) -> CouponOut:
    """Returns the coupon. 404 says whether the code was mistyped, or none was issued with it."""
    async with database.work() as work:
        return _out(await coupons.one(work, code))


@router.post("/coupons/{code}/redeem", dependencies=[requires("campaign:write")], summary="Redeem a coupon")
async def redeem(database: Db, caller: Caller, code: Code, body: RedeemIn) -> CouponOut:
    """Redeems a coupon for an order, once. For the same order again it changes nothing. 409 has the reason: `expired`,
    `redeemed`, `below_minimum` or `other_currency`.
    """
    async with database.work() as work:
        coupon = await coupons.redeem(
            work,
            code,
            order_id=body.order_id,
            total_minor=body.total_minor,
            currency=body.currency,
            by=Actor.of(caller),
        )
    return _out(coupon)


@router.get("/profiles/{profile_id}/coupons", summary="List a customer's coupons, newest first")
async def of_customer(
    database: Db, caller: Caller, profile_id: UUID, limit: Annotated[PageSize, Query()] = 50
) -> CouponsOut:
    """Returns what the customer was given. The id of a merged profile still works. A customer's own token may ask for
    that customer.
    """
    async with database.work() as work:
        await require_customer_or("campaign:read", caller, work, profile_id)
        found = await coupons.of_customer(work, profile_id, limit=limit)
    return CouponsOut(coupons=[_out(one) for one in found])


def _out(coupon: Coupon) -> CouponOut:
    return CouponOut.model_validate(msgspec.to_builtins(coupon))
