"""Any JSON, signed by a shared secret or sent with a write key; the source's mapping says what it means.

Source of the signature: GitHub's page "Validating webhook deliveries", which many follow.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Final

from services.ingest.domain.formats.webhooks import signature
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.vendor import Vendor


def _verify(secret: bytes, delivery: Delivery, _: datetime) -> None:
    wanted = "sha256=" + hmac.new(secret, delivery.raw, hashlib.sha256).hexdigest()
    signature.same(delivery.header("x-hub-signature-256"), wanted, "X-Hub-Signature-256")


VENDOR: Final = Vendor(
    name="json",
    headers=("webhook-", "x-hub-", "content-type"),
    verify=_verify,
    translate=None,
    needs_secret=False,
)
