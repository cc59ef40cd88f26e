"""Signatures of webhooks, over the bytes as they came.

Sources: Standard Webhooks 1.0 (standardwebhooks.com); the vendors' pages on verifying: Shopify ("Verify webhook
deliveries"), WooCommerce ("Webhooks: delivery headers"), Stripe ("Verify webhook signatures manually").
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.domain.definitions.source import Format
from services.ingest.domain.formats.webhooks.delivery import Delivery

TOLERANCE: Final = timedelta(minutes=5)  # between a signed time and now, either way
STANDARD_PREFIX: Final = "whsec_"
_WOOCOMMERCE_TRIAL: Final = re.compile(rb"webhook_id=[0-9]+")


class BadSignature(Exception):
    """The delivery is not from who it says, or is an old one sent again. The text says what was wrong."""


def verify(form: Format, secret: bytes | None, delivery: Delivery, *, now: datetime) -> None:
    """Returns if the delivery is signed as its source signs; raises `BadSignature`."""
    check = _CHECKS.get(form)
    if check is None:
        return  # a source that signs nothing is known by its write key
    if secret is None:
        if form is Format.JSON:
            return
        raise BadSignature("this source has no secret yet: give it the one that the vendor shows")
    check(secret, delivery, now)


def vouched(form: Format, secret: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the headers that may be believed of a delivery that was verified, and those that only say what it is of.

    Signatures themselves are left out. An id is believed where it is signed (Standard Webhooks), or where the write key
    that came with it vouches for the request whole; elsewhere whoever has seen one delivery could send it again under
    any number of ids.
    """
    kept = {name: value for name, value in headers.items() if "signature" not in name and "hmac" not in name}
    if form is Format.STANDARD or secret is None:
        return kept
    return {name: value for name, value in kept.items() if not name.startswith("webhook-")}


def _shopify(secret: bytes, delivery: Delivery, _: datetime) -> None:
    _same(delivery.header("x-shopify-hmac-sha256"), _base64(secret, delivery.raw), "X-Shopify-Hmac-Sha256")


def _woocommerce(secret: bytes, delivery: Delivery, _: datetime) -> None:
    if not delivery.header("x-wc-webhook-topic") and _WOOCOMMERCE_TRIAL.fullmatch(delivery.raw):
        return  # a new webhook is tried with this form, unsigned; without a topic it means nothing
    _same(delivery.header("x-wc-webhook-signature"), _base64(secret, delivery.raw), "X-WC-Webhook-Signature")


def _stripe(secret: bytes, delivery: Delivery, now: datetime) -> None:
    parts = [part.partition("=")[::2] for part in delivery.header("stripe-signature").split(",")]
    stamp = next((value for name, value in parts if name.strip() == "t"), "")
    _recent(stamp, now, "Stripe-Signature")
    wanted = hmac.new(secret, f"{stamp}.".encode() + delivery.raw, hashlib.sha256).hexdigest()
    _one_of([value for name, value in parts if name.strip() == "v1"], wanted, "Stripe-Signature")


def _standard(secret: bytes, delivery: Delivery, now: datetime) -> None:
    stamp, webhook_id = delivery.header("webhook-timestamp"), delivery.header("webhook-id")
    _recent(stamp, now, "webhook-timestamp")
    if not webhook_id:
        raise BadSignature("webhook-id: missing")
    text = secret.decode(errors="replace")
    try:
        key = base64.b64decode(text.removeprefix(STANDARD_PREFIX), validate=True)
    except ValueError:  # not base64, or not even ASCII
        key = secret
    wanted = _base64(key, f"{webhook_id}.{stamp}.".encode() + delivery.raw)
    given = [one.partition(",")[2] for one in delivery.header("webhook-signature").split() if one.startswith("v1,")]
    _one_of(given, wanted, "webhook-signature")


def _json(secret: bytes, delivery: Delivery, _: datetime) -> None:
    wanted = "sha256=" + hmac.new(secret, delivery.raw, hashlib.sha256).hexdigest()
    _same(delivery.header("x-hub-signature-256"), wanted, "X-Hub-Signature-256")


_CHECKS: Final[Mapping[Format, Callable[[bytes, Delivery, datetime], None]]] = {
    Format.SHOPIFY: _shopify,
    Format.WOOCOMMERCE: _woocommerce,
    Format.STRIPE: _stripe,
    Format.STANDARD: _standard,
    Format.JSON: _json,
}


def _base64(secret: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def _same(given: str, wanted: str, header: str) -> None:
    _one_of([given] if given else [], wanted, header)


def _one_of(given: list[str], wanted: str, header: str) -> None:
    """While a secret is rotated, vendors sign with both."""
    if not given:
        raise BadSignature(f"{header}: missing")
    if not any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given):
        raise BadSignature(f"{header}: not the signature of this body with this source's secret")


def _recent(stamp: str, now: datetime, header: str) -> None:
    try:
        signed_at = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadSignature(f"{header}: {stamp!r} is no time in seconds since 1970") from None
    if abs(now - signed_at) > TOLERANCE:
        minutes = int(TOLERANCE.total_seconds() // 60)
        raise BadSignature(f"{header}: signed at {signed_at:%Y-%m-%d %H:%M:%S}Z, more than {minutes} minutes from now")
