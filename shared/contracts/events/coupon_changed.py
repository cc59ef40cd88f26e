"""A customer entered a coupon or removed it, or a shop applied or denied it."""

from typing import ClassVar, Literal

from shared.contracts.events.body import WithExtra


class CouponChanged(WithExtra, frozen=True, kw_only=True):
    """A customer entered a coupon or removed it, or a shop applied or denied it."""

    TYPE: ClassVar = "rapport.coupon_changed.v1"
    PUBLIC: ClassVar = True

    state: Literal["entered", "applied", "denied", "removed"]
    coupon_id: str
    name: str = ""
    cart_id: str | None = None
    order_id: str | None = None
    reason: str = ""
