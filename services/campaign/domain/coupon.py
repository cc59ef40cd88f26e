"""Coupons: what one is worth, and codes that nobody guesses and that a slip of the keyboard does not make another's.

A code is ten characters of Crockford's base 32, which has no I, L, O and U: 45 bits of a keyed hash of what the coupon
is for, and a check character (Luhn mod N, ISO/IEC 7812's scheme over 32 characters), so that one wrong character, or
two neighbours that changed places, is told from a coupon that there is not.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shared.calendars.zones import local_date
from shared.contracts.currencies import exponent

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 10
_LOOKALIKES: Final = str.maketrans("ILO", "110", "- ")


class Percent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="percent"):
    """So many per cent off."""

    percent: Annotated[int, Meta(ge=1, le=100)]


class Amount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="amount"):
    """So much off, in minor units of a currency."""

    amount_minor: Annotated[int, Meta(ge=1)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]


Value = Percent | Amount


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon. An order must come to `minimum_minor`, in minor units of its currency, if that is not None."""

    code: str
    name: str
    profile_id: UUID
    value: Value
    minimum_minor: int | None = None
    issued_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None = None
    order_id: str | None = None


def code_for(secret: bytes, purpose: str) -> str:
    """Returns the code of a coupon for a purpose: the same whenever it is asked for, so never two for one."""
    digest = hmac.digest(secret, b"coupon/" + purpose.encode(), hashlib.sha256)
    number = int.from_bytes(digest[:8], "big")
    payload = "".join(ALPHABET[(number >> (5 * n)) & 31] for n in range(CODE_LENGTH - 1))
    return payload + _check_character(payload)


def normal(text: str) -> str | None:
    """Returns a code as it is kept, however it was typed; None if it is no code."""
    code = text.strip().upper().translate(_LOOKALIKES)
    if len(code) != CODE_LENGTH or any(one not in ALPHABET for one in code):
        return None
    return code if _check_character(code[:-1]) == code[-1] else None


def _check_character(payload: str) -> str:
    total = 0
    for n, one in enumerate(reversed(payload)):
        doubled = ALPHABET.index(one) * (2 if n % 2 == 0 else 1)
        total += doubled // 32 + doubled % 32
    return ALPHABET[-total % 32]


Refusal = Literal["expired", "redeemed", "below_minimum", "other_currency"]


def refusal(coupon: Coupon, *, order_id: str, total_minor: int, currency: str, now: datetime) -> Refusal | None:
    """Returns why a coupon can't be redeemed for an order; None if it can, or has been for this very order."""
    if coupon.redeemed_at is not None:
        return None if coupon.order_id == order_id else "redeemed"
    if now >= coupon.expires_at:
        return "expired"
    if isinstance(coupon.value, Amount) and coupon.value.currency != currency:
        return "other_currency"
    if coupon.minimum_minor is not None and total_minor < coupon.minimum_minor:
        return "below_minimum"
    return None


def words(coupon: Coupon, time_zone: str) -> dict[str, str]:
    """Returns what a template may say of a coupon; what it is not worth is empty. Its last day is the customer's."""
    value = coupon.value
    last_day = local_date(coupon.expires_at - timedelta(seconds=1), time_zone or "UTC")
    found = {"code": coupon.code, "name": coupon.name, "until": last_day.isoformat()}
    if isinstance(value, Percent):
        return {**found, "percent": str(value.percent), "amount": "", "currency": ""}
    digits = exponent(value.currency)
    return {
        **found,
        "percent": "",
        "amount": f"{Decimal(value.amount_minor).scaleb(-digits):.{digits}f}",
        "currency": value.currency,
    }
