"""All vendors whose webhooks are understood. The next one is a line in `_ALL`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from services.ingest.domain.definitions.source import TRACKING
from services.ingest.domain.formats.webhooks import json, shopify, standard, stripe, woocommerce
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.signature import BadSignature
from services.ingest.domain.formats.webhooks.vendor import Vendor

_ALL: Final[tuple[Vendor, ...]] = (
    json.VENDOR,
    standard.VENDOR,
    shopify.VENDOR,
    woocommerce.VENDOR,
    stripe.VENDOR,
)

VENDORS: Final[Mapping[str, Vendor]] = {vendor.name: vendor for vendor in _ALL}

FORMATS: Final = (TRACKING, *VENDORS)
"""What a source's `format` may say: how its payloads are written."""

HEADERS: Final = tuple(dict.fromkeys(start for vendor in _ALL for start in vendor.headers))
"""How the names of the headers that describe a delivery begin; the rest are the transport's."""

# Svix's names of the standard's headers.
_OTHER_NAMES: Final = {f"svix-{name}": f"webhook-{name}" for name in ("id", "timestamp", "signature")}

TELLING_HEADERS: Final = tuple(name for vendor in _ALL for name in vendor.telling_headers)


def headers_of(sent: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns the headers of a request that describe a delivery, by the names that they have here."""
    kept = {name: value for name, value in sent if name.startswith(HEADERS)}
    renamed = {other: kept.pop(name) for name, other in _OTHER_NAMES.items() if name in kept}
    return {**renamed, **kept}


def verify(form: str, secret: bytes | None, delivery: Delivery, *, now: datetime) -> None:
    """Returns if the delivery is signed as its source signs; raises `BadSignature`."""
    vendor = VENDORS.get(form)
    if vendor is None:
        return  # a source that signs nothing authenticates by its write key
    if secret is not None:
        vendor.verify(secret, delivery, now)
    elif vendor.needs_secret:
        raise BadSignature("this source has no secret yet: give it the one that the vendor shows")


def needed_topic(form: str, delivery: Delivery) -> str:
    """Returns the topic of a delivery if it is one of those that its vendor needs; else an empty text."""
    vendor = VENDORS.get(form)
    if vendor is None or vendor.topic is None:
        return ""
    try:
        topic = vendor.topic(delivery)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return topic if topic in vendor.topics else ""


def needed_topics(form: str) -> tuple[str, ...]:
    """Returns the topics that sources of this format need, in the order of the vendor's table."""
    vendor = VENDORS.get(form)
    return () if vendor is None else vendor.topics


def vouched(form: str, secret: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the headers of a verified delivery that may be believed, and those that only say what it is about.

    Signatures themselves are left out. An id is believed if it is signed, or if the write key of the request vouches
    for all of it. Otherwise anybody who has seen one delivery could send it again under any number of ids.
    """
    kept = {name: value for name, value in headers.items() if "signature" not in name and "hmac" not in name}
    if secret is None or VENDORS[form].signs_its_id:
        return kept
    return {name: value for name, value in kept.items() if not name.startswith("webhook-")}
