"""What became of a coupon: `Coupon Entered`, `Coupon Applied`, `Coupon Denied`, `Coupon Removed`."""

from typing import Final

from services.ingest.domain.catalogue.simple import Texts, simple
from shared.contracts.events import CouponChanged

_TEXTS: Final[Texts] = {
    "coupon_id": ("coupon_id", "coupon_name"),
    "name": "coupon_name",
    "cart_id": "cart_id",
    "order_id": "order_id",
    "reason": "reason",
}

ENTRIES: Final = tuple(
    simple(CouponChanged, f"coupon {state}", texts=_TEXTS, required=("coupon_id",), state=state)
    for state in ("entered", "applied", "denied", "removed")
)
