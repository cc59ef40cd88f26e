"""The links in mails: signed, and good for a while. Whoever has one may do what it says, and nothing else."""

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec

CONFIRM_VALID: Final = timedelta(hours=72)
UNSUBSCRIBE_VALID: Final = timedelta(days=400)
PREFERENCES_VALID: Final = timedelta(days=400)
SIGNATURE_BYTES: Final = 16  # of an HMAC-SHA256: RFC 2104, section 5, lets no fewer than half of it stand
MAX_TOKEN_LENGTH: Final = 600  # characters


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link says: `subject` is a confirmation's id or a message's; the rest is what it is to do, and in which
    language its page speaks.
    """

    kind: Literal["confirm", "unsubscribe", "preferences"]
    subject: UUID
    expires: int  # seconds since 1970
    language: str = ""
    profile_id: UUID | None = None
    consent_to: str = ""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Link).decode


class Links:
    """Makes links to the pages below `public_url`, and reads their tokens."""

    def __init__(self, public_url: str, secret: bytes) -> None:
        self._base = public_url.rstrip("/")
        self._secret = hmac.digest(secret, b"rapport links v1", hashlib.sha256)

    def url(self, link: Link) -> str:
        """Returns the address of the page."""
        payload = _encode(link)
        token = base64.urlsafe_b64encode(self._signature(payload) + payload).rstrip(b"=").decode()
        return f"{self._base}/v1/{link.kind}/{token}"

    def read(self, kind: str, token: str, now: datetime) -> Link | None:
        """Returns what a token says; None if the link is not one of ours, or has expired."""
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._signature(payload)):
                return None
            link = _decode(payload)
        except (binascii.Error, msgspec.MsgspecError, ValueError):
            return None
        return link if link.kind == kind and link.expires > now.timestamp() else None

    def _signature(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, hashlib.sha256)[:SIGNATURE_BYTES]


def confirm(confirmation_id: UUID, language: str, now: datetime) -> Link:
    """Returns the link by which whoever has the mailbox confirms."""
    return Link("confirm", confirmation_id, _at(now + CONFIRM_VALID), language)


def unsubscribe(message_id: UUID, profile_id: UUID, consent_to: str, language: str, now: datetime) -> Link:
    """Returns the link by which whoever got a message withdraws consent to its channel and purpose."""
    return Link("unsubscribe", message_id, _at(now + UNSUBSCRIBE_VALID), language, profile_id, consent_to)


def preferences(message_id: UUID, profile_id: UUID, language: str, now: datetime) -> Link:
    """Returns the link by which whoever got a message sees and changes what they agreed to."""
    return Link("preferences", message_id, _at(now + PREFERENCES_VALID), language, profile_id)


def _at(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())
