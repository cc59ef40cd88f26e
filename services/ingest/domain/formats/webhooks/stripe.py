"""Stripe's webhooks: charges, refunds, customers.

Source: Stripe API reference, objects Event, Charge, Refund, Customer; "Supported currencies" for the units of amounts.

A charge is a payment: of the order that `metadata.order_id` names, if the shop sets it, else of one by its own name.
What is paid counts as an order where no shop tells that order. Money that is held is none yet.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.ingest.domain.formats.webhooks import signature
from services.ingest.domain.formats.webhooks.delivery import (
    Delivery,
    Translated,
    country_in,
    identify,
    of_nobody,
    person,
    track,
)
from services.ingest.domain.formats.webhooks.vendor import Vendor
from shared.contracts import wire

# Amounts are in the smallest unit by Stripe's own count, which is not always ISO 4217's.
DECIMALS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"), 0
    ),
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3),
}
DEFAULT_DECIMALS: Final = 2
SUCCEEDED: Final = (None, "succeeded")  # of a refund; old versions of the API say nothing
FAILED: Final = ("failed", "canceled")
WON: Final = ("won", "warning_closed")  # of a dispute; an inquiry that was closed took nothing
LOST: Final = "lost"
# Of a refund that gives back what was only held: what was never captured was never paid.
RELEASED: Final = frozenset({"expired_uncaptured_charge", "partial_capture"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Address(msgspec.Struct, frozen=True, kw_only=True):
    country: str | None = None
    city: str | None = None


class _Billing(msgspec.Struct, frozen=True, kw_only=True):
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    address: _Address | None = None


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int
    currency: str
    created: int
    status: str | None = None
    reason: str | None = None
    charge: str | None = None
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None


class _Refunds(msgspec.Struct, frozen=True, kw_only=True):
    data: list[_Refund] = []


class _Charge(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int
    currency: str
    created: int
    captured: bool | None = None
    amount_captured: int | None = None
    amount_refunded: int | None = None
    status: str | None = None
    customer: str | None = None
    payment_intent: str | None = None
    description: str | None = None
    receipt_email: str | None = None
    billing_details: _Billing | None = None
    shipping: Any = None
    metadata: dict[str, str] | None = None
    refunds: _Refunds | None = None


class _Dispute(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    amount: int
    currency: str
    created: int
    status: str | None = None
    charge: str | None = None
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None


class _Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    address: _Address | None = None
    shipping: Any = None
    metadata: dict[str, str] | None = None


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    object: msgspec.Raw


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: str
    created: int
    data: _Data
    livemode: bool = True


Messages = list[dict[str, Any]]


def translate(delivery: Delivery) -> Translated:
    """Returns what a delivery means. Raises what msgspec raises for a payload of another shape."""
    event = _decode_event(delivery.raw)
    adapter = _TYPES.get(event.type)
    if adapter is None:
        return Translated(delivery_id=event.id, ignored=f"type {event.type}")
    if not event.livemode:
        return Translated(delivery_id=event.id, ignored=f"type {event.type}: in test mode")
    raw = bytes(event.data.object)
    messages = adapter(raw, event)
    also_known = _payments(raw) if adapter in (_charged, _charge_refunded) else {}
    if adapter is _charged and (nothing := of_nobody(event.id, f"{event.type}: a payment", messages, also_known)):
        return nothing
    return Translated(
        delivery_id=event.id,
        messages=messages,
        also_known=also_known,
        ignored="" if messages else f"{event.type}: no fact in it",
    )


def _charged(raw: bytes, event: _Event) -> Messages:
    """What was captured, which may be less than was asked for; and nothing of what is only held."""
    charge = _decode_charge(raw)
    paid = _paid(charge)
    if charge.status not in SUCCEEDED or not paid:
        return []
    word = {"payment_id": _payment_id(charge.payment_intent, charge.id), "payment_refs": _refs(charge)}
    properties = {
        "order_id": _order_id(charge),
        "currency": charge.currency.upper(),
        "total": _amount(paid, charge.currency),
        "placed_at": _moment(charge.created),
        "$order": word,
    }
    return [track("Order Completed", properties, at=_moment(max(event.created, charge.created)), who=_who(charge))]


def _paid(charge: _Charge) -> int:
    """Returns what was captured, in the units of the charge; old versions of the API do not say how much of it."""
    if charge.amount_captured is not None:
        return charge.amount_captured
    return 0 if charge.captured is False else charge.amount


def _refs(charge: _Charge) -> list[str]:
    return [one for one in (charge.payment_intent, charge.id) if one]


def _payment_id(payment_intent: str | None, charge: str | None) -> str:
    """Returns the one name of a payment: its intent's, whose charges but one have failed."""
    return payment_intent or charge or ""


def _payments(raw: bytes) -> dict[str, str]:
    """Returns the names by which refunds call the order that a charge is."""
    charge = _decode_charge(raw)
    order_id = _order_id(charge)
    return {name: order_id for name in (charge.payment_intent, charge.id) if name and name != order_id}


def _charge_refunded(raw: bytes, event: _Event) -> Messages:
    """Refunds come with their charge in some versions of the API; in the others as events of their own, and the charge
    says what went back in all.
    """
    charge = _decode_charge(raw)
    refunds = charge.refunds.data if charge.refunds else []
    payment, order_id, who = _payment_id(charge.payment_intent, charge.id), _order_id(charge), _who(charge)
    if not _paid(charge):
        return []  # what was held is no longer
    if refunds:
        back = [one for one in refunds if one.status in SUCCEEDED and one.reason not in RELEASED]
        return [_refunded(one, order_id, payment, who) for one in back]
    amount = _refunded_in_all(charge)
    if amount <= 0:
        return []
    in_all = _Refund(id=f"{payment}-in-all", amount=amount, currency=charge.currency, created=event.created)
    return [_refunded(in_all, order_id, payment, who, in_all=True)]


def _refunded_in_all(charge: _Charge) -> int:
    """Returns what went back of what was captured: what was held and not captured counts as refunded there, too."""
    refunded = charge.amount_refunded or 0
    released = charge.amount - _paid(charge)
    return refunded - released if refunded >= released else refunded


def _refund(raw: bytes, event: _Event) -> Messages:
    refund = _decode_refund(raw)
    payment = _payment_id(refund.payment_intent, refund.charge)
    order_id = (refund.metadata or {}).get("order_id") or payment
    if refund.reason in RELEASED:
        return []
    if refund.status in FAILED:  # the money came back: a later word on the same refund
        refund = msgspec.structs.replace(refund, amount=0, created=max(event.created, refund.created + 1))
    elif refund.status not in SUCCEEDED:
        return []  # Stripe sends it again when it has
    return [_refunded(refund, order_id, payment, {})]


def _disputed(raw: bytes, event: _Event) -> Messages:
    """What a dispute takes, from when it does; and gives back, if it is won."""
    dispute = msgspec.json.decode(raw, type=_Dispute)
    back = event.type == "charge.dispute.funds_reinstated" or dispute.status in WON
    if event.type == "charge.dispute.closed" and dispute.status not in (*WON, LOST):
        return []
    taken = _Refund(
        id=dispute.id, amount=0 if back else dispute.amount, currency=dispute.currency, created=event.created
    )
    payment = _payment_id(dispute.payment_intent, dispute.charge)
    order_id = (dispute.metadata or {}).get("order_id") or payment
    return [_refunded(taken, order_id, payment, {}, dispute=True)]


def _refunded(refund: _Refund, order_id: str, payment: str, who: Mapping[str, Any], **word: bool) -> dict[str, Any]:
    properties = {
        "order_id": order_id,
        "refund_id": refund.id,
        "currency": refund.currency.upper(),
        "total": _amount(refund.amount, refund.currency),
        "$order": {"payment_id": payment, "payment_refs": [payment] if payment else [], **word},
    }
    return track("Order Refunded", properties, at=_moment(refund.created), who=who)


def _customer(raw: bytes, event: _Event) -> Messages:
    customer = _decode_customer(raw)
    address = customer.address or _Address()
    traits = {
        **(customer.metadata or {}),
        "email": customer.email,
        "phone": customer.phone,
        "name": customer.name,
        "country": _country(address, customer.shipping),
        "city": address.city,
    }
    return [identify(traits, consent={}, at=_moment(event.created), who=person(user_id=customer.id))]


def _order_id(charge: _Charge) -> str:
    return (charge.metadata or {}).get("order_id") or charge.payment_intent or charge.id


def _who(charge: _Charge) -> dict[str, Any]:
    billing = charge.billing_details or _Billing()
    country = _country(billing.address, charge.shipping)
    email = billing.email or charge.receipt_email
    return person(user_id=charge.customer, email=email, phone=billing.phone, country=country)


def _country(address: _Address | None, shipping: Any) -> str | None:
    """Returns the country of the bill, or else the country that the goods were sent to."""
    sent_to = shipping.get("address") if isinstance(shipping, dict) else None
    return (address.country if address else None) or country_in(sent_to)


def _amount(units: int, currency: str) -> str:
    return str(Decimal(units).scaleb(-DECIMALS.get(currency.lower(), DEFAULT_DECIMALS)))


def _moment(seconds: int) -> str:
    return wire.iso(EPOCH + timedelta(seconds=seconds))


_decode_event: Final = msgspec.json.Decoder(_Event).decode
_decode_charge: Final = msgspec.json.Decoder(_Charge).decode
_decode_refund: Final = msgspec.json.Decoder(_Refund).decode
_decode_customer: Final = msgspec.json.Decoder(_Customer).decode

_TYPES: Final[Mapping[str, Callable[[bytes, _Event], Messages]]] = {
    **dict.fromkeys(("charge.succeeded", "charge.captured", "charge.updated"), _charged),
    "charge.refunded": _charge_refunded,
    **dict.fromkeys(("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"), _refund),
    **dict.fromkeys(
        ("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated", "charge.dispute.closed"), _disputed
    ),
    **dict.fromkeys(("customer.created", "customer.updated"), _customer),
}


def _verify(secret: bytes, delivery: Delivery, now: datetime) -> None:
    """Source: Stripe's page "Verify webhook signatures manually"."""
    parts = [part.partition("=")[::2] for part in delivery.header("stripe-signature").split(",")]
    stamp = next((value for name, value in parts if name.strip() == "t"), "")
    signature.recent(stamp, now, "Stripe-Signature")
    wanted = hmac.new(secret, f"{stamp}.".encode() + delivery.raw, hashlib.sha256).hexdigest()
    signature.one_of([value for name, value in parts if name.strip() == "v1"], wanted, "Stripe-Signature")


class _Topic(msgspec.Struct, frozen=True):
    type: str


def _topic(delivery: Delivery) -> str:
    return _decode_topic(delivery.raw).type


_decode_topic: Final = msgspec.json.Decoder(_Topic).decode

VENDOR: Final = Vendor(
    name="stripe",
    headers=("webhook-", "stripe-", "content-type"),
    verify=_verify,
    translate=translate,
    topics=(
        "charge.succeeded",
        "charge.captured",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "customer.created",
        "customer.updated",
    ),
    topic=_topic,
)
