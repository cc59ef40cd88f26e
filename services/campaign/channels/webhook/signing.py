"""Signatures of webhooks, as Standard Webhooks 1.0 has them (standardwebhooks.com)."""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID


def signed_headers(key: bytes, message_id: UUID, at: datetime, content: bytes) -> Mapping[str, str]:
    """Returns the three headers: id, time in whole seconds, and HMAC-SHA256 over id, time and content."""
    stamp = str(int(at.timestamp()))
    signed = f"{message_id}.{stamp}.".encode() + content
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {"webhook-id": str(message_id), "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
