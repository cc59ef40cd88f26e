"""Coupons: shown, and redeemed once."""

from collections.abc import Sequence
from uuid import UUID

from services.campaign.domain.coupon import Coupon, normal, refusal
from services.campaign.repository import coupons as repository
from shared import audit
from shared.audit import Actor
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Conflict, NotFound


class UnknownCoupon(NotFound):
    """There is no such coupon."""


class NotRedeemable(Conflict):
    """The coupon can't be redeemed."""


async def one(work: Work, code: str, *, lock: bool = False) -> Coupon:
    """Returns a coupon, however its code was typed. Raises `UnknownCoupon`, which tells a mistyped code from others."""
    kept = normal(code)
    if kept is None:
        raise UnknownCoupon("code: mistyped: its last character does not fit the others")
    found = await repository.one(work, kept, lock=lock)
    if found is None:
        raise UnknownCoupon("code: no coupon was issued with it")
    return found.coupon


async def of_customer(work: Work, profile_id: UUID, *, limit: int) -> Sequence[Coupon]:
    """Returns a customer's coupons, the newest first. The id of a merged profile still works."""
    rows = await repository.of_customer(work, await aliases.names(work, profile_id), limit=limit)
    return [row.coupon for row in rows]


async def redeem(work: Work, code: str, *, order_id: str, total_minor: int, currency: str, by: Actor) -> Coupon:
    """Redeems a coupon for an order. For the same order again it changes nothing.

    Raises `UnknownCoupon`, or `NotRedeemable` with the reason.
    """
    coupon = await one(work, code, lock=True)
    why = refusal(coupon, order_id=order_id, total_minor=total_minor, currency=currency, now=work.now)
    if why is not None:
        raise NotRedeemable(why)
    if coupon.redeemed_at is None:
        await repository.redeem(work, coupon.code, order_id)
        await audit.record(work, by, "coupon.redeemed", "coupon", coupon.code)
    return await one(work, coupon.code)
