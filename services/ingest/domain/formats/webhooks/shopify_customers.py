"""Shopify's customers, and what they agreed to.

Source: Shopify Admin API, REST resource Customer; the webhook topics of marketing consent.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.formats.webhooks.delivery import identify, person
from services.ingest.domain.values.message import Scalar

# What a customer's state of consent states; of those that wait for the customer, nothing.
CONSENTS: Final[Mapping[str, bool]] = {
    "subscribed": True,
    "unsubscribed": False,
    "not_subscribed": False,
    "redacted": False,
}

Messages = list[dict[str, Any]]


class _Consent(msgspec.Struct, frozen=True, kw_only=True):
    state: str | None = None
    consent_updated_at: str | None = None

    @property
    def agreed(self) -> bool | None:
        return CONSENTS.get(self.state or "")


class _Address(msgspec.Struct, frozen=True, kw_only=True):
    country_code: str | None = None
    city: str | None = None
    phone: str | None = None


class ShopCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer, by itself or within an order."""

    id: Scalar = None
    email: str | None = None
    verified_email: bool | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tags: str | None = None
    default_address: _Address | None = None
    email_marketing_consent: _Consent | None = None
    sms_marketing_consent: _Consent | None = None


NOBODY: Final = ShopCustomer()


class _EmailConsent(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: Scalar
    email_marketing_consent: _Consent
    email_address: str | None = None


class _SmsConsent(msgspec.Struct, frozen=True, kw_only=True):
    id: Scalar
    sms_marketing_consent: _Consent
    phone: str | None = None


def customer(raw: bytes) -> Messages:
    """Returns what a customer's payload means: traits, and what the customer agreed to, each as of its own time."""
    found = _decode_customer(raw)
    address = found.default_address or _Address()
    traits = {
        "email": found.email,
        "email_verified": found.verified_email or None,
        "phone": found.phone or address.phone,
        "first_name": found.first_name,
        "last_name": found.last_name,
        "country": address.country_code,
        "city": address.city,
        "tags": [tag.strip() for tag in (found.tags or "").split(",") if tag.strip()],
    }
    who = person(user_id=found.id)
    stated = {"email": found.email_marketing_consent, "sms": found.sms_marketing_consent}
    known = {channel: one for channel, one in stated.items() if one is not None and one.agreed is not None}
    undated = {channel: bool(one.agreed) for channel, one in known.items() if not one.consent_updated_at}
    made = [identify(traits, consent=undated, at=found.updated_at or found.created_at, who=who)]
    return made + [m for channel, one in known.items() if one.consent_updated_at for m in _consented(channel, one, who)]


def email_consent(raw: bytes) -> Messages:
    """Returns what a customer agreed to, or no longer does, about mail."""
    found = _decode_email_consent(raw)
    who = person(user_id=found.customer_id, email=found.email_address)
    return _consented("email", found.email_marketing_consent, who)


def sms_consent(raw: bytes) -> Messages:
    """Returns what a customer agreed to, or no longer does, about messages to the phone."""
    found = _decode_sms_consent(raw)
    return _consented("sms", found.sms_marketing_consent, person(user_id=found.id, phone=found.phone))


def _consented(channel: str, consent: _Consent, who: Mapping[str, Any]) -> Messages:
    if consent.agreed is None:
        return []
    return [identify({}, consent={channel: consent.agreed}, at=consent.consent_updated_at, who=who)]


_decode_customer: Final = msgspec.json.Decoder(ShopCustomer).decode
_decode_email_consent: Final = msgspec.json.Decoder(_EmailConsent).decode
_decode_sms_consent: Final = msgspec.json.Decoder(_SmsConsent).decode
