"""Any vendor that signs as Standard Webhooks 1.0 has it; the source's mapping says what a payload means.

Source: Standard Webhooks 1.0 (standardwebhooks.com).
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
    text = secret.decode(errors="replace")
    try:
        key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except ValueError:  # not base64, or not even ASCII
        key = secret
    wanted = signature.in_base64(key, f"{webhook_id}.{stamp}.".encode() + delivery.raw)
    given = [one.partition(",")[2] for one in delivery.header("webhook-signature").split() if one.startswith("v1,")]
    signature.one_of(given, wanted, "webhook-signature")


VENDOR: Final = Vendor(
    name="standard-webhooks",
    headers=("webhook-", "content-type"),
    verify=_verify,
    translate=None,
    signs_its_id=True,
)
