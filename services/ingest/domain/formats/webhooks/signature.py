"""Checks that vendors' signatures have in common, over the bytes as they came."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.errors import Unauthorized

TOLERANCE: Final = timedelta(minutes=5)  # between a signed time and now, either way


class BadSignature(Unauthorized):
    """The delivery is not signed with its source's secret.

    So it is not from the sender that it names, or it is an old one sent again. The text says what was wrong.
    """

    known_as = "badly-signed"

    def __init__(self, detail: str, *, challenge: str = "Signature") -> None:
        super().__init__(detail, challenge=challenge)


def in_base64(secret: bytes, content: bytes) -> str:
    """Returns the HMAC-SHA256 of some bytes in base64."""
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def same(given: str, wanted: str, header: str) -> None:
    """Returns if the signature of this header is right; raises `BadSignature`."""
    one_of([given] if given else [], wanted, header)


def one_of(given: list[str], wanted: str, header: str) -> None:
    """Returns if one is right: while a secret is rotated, vendors sign with both. Raises `BadSignature`."""
    if not given:
        raise BadSignature(f"{header}: missing")
    if not any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given):
        raise BadSignature(f"{header}: not the signature of this body with this source's secret")


def recent(stamp: str, now: datetime, header: str) -> None:
    """Returns if a signed time, in seconds since 1970, is about now; raises `BadSignature`."""
    try:
        signed_at = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadSignature(f"{header}: {stamp!r} is not a time in seconds since 1970") from None
    if abs(now - signed_at) > TOLERANCE:
        minutes = int(TOLERANCE.total_seconds() // 60)
        raise BadSignature(f"{header}: signed at {signed_at:%Y-%m-%d %H:%M:%S}Z, more than {minutes} minutes from now")
