"""Any vendor that signs as Standard Webhooks 1.0 has it; the source's mapping says what a payload means.

Source: Standard Webhooks 1.0 (standardwebhooks.com). Svix, of which it was made, sends the same headers by its own
names: `registry.headers_of` gives them the standard's.
"""

import base64
from datetime import datetime
from typing import Final

from services.ingest.domain.formats.webhooks import signature
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.signature import BadSignature
from services.ingest.domain.formats.webhooks.vendor import Vendor

KEY_PREFIX: Final = "whsec_"  # of a secret as vendors show it


def _verify(secret: bytes, delivery: Delivery, now: datetime) -> None:
    stamp, webhook_id = delivery.header("webhook-timestamp"), delivery.header("webhook-id")
    signature.recent(stamp, now, "webhook-timestamp")
    if not webhook_id:
        raise BadSignature("webhook-id: missing")
    wanted = signature.in_base64(_key(secret), f"{webhook_id}.{stamp}.".encode() + delivery.raw)
    given = [one.partition(",")[2] for one in delivery.header("webhook-signature").split() if one.startswith("v1,")]
    signature.one_of(given, wanted, "webhook-signature")


def _key(secret: bytes) -> bytes:
    """Returns the key in a secret. What was copied may have lost its padding, or bring a line's end with it."""
    text = secret.decode(errors="replace").strip()
    encoded = text.removeprefix(KEY_PREFIX)
    padding = "=" * (-len(encoded) % 4) if encoded != text else ""  # without the prefix it may be no base64 at all
    try:
        return base64.b64decode(encoded + padding, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return secret.strip()


VENDOR: Final = Vendor(
    name="standard-webhooks",
    headers=("webhook-", "svix-", "content-type"),
    verify=_verify,
    translate=None,
    signs_its_id=True,
)
