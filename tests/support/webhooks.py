"""Deliveries of webhooks for tests: signed as their vendors sign them, and made into events as the service does."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from services.ingest.domain.definitions.source import Source
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.domain.request.owners import Owner
from services.ingest.service import triage
from services.ingest.service.triage import TriageResult
from shared.contracts import wire
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.identity import Identity
from shared.contracts.orders import Order, merge, order_id, order_of

SOURCE: Final = UUID("5c1d9d1e-8f0a-4a55-9e0a-3a8f1e3f7d11")
NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
REMOVED: Final = object()

TOPIC_HEADERS: Final[Mapping[str, str]] = {"shopify": "x-shopify-topic", "woocommerce": "x-wc-webhook-topic"}

# A till's receipts, for generic webhooks.
TILL: Final[Mapping[str, Any]] = {
    "rules": [
        {
            "when": "kind == 'sale'",
            "event": "Order Completed",
            "fields": {
                "messageId": "receipt",
                "userId": "card",
                "properties.order_id": "receipt",
                "properties.currency": {"value": "EUR"},
                "properties.total": {"from": "sum", "as": "number", "decimal": ","},
            },
        }
    ]
}


# Signatures


def mac(secret: bytes, content: bytes) -> str:
    """HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def hexmac(secret: bytes, content: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret, content, hashlib.sha256).hexdigest()


def signed(form: str, secret: str, raw: bytes, *, at: datetime = NOW, webhook_id: str = "msg_1") -> dict[str, str]:
    """The headers by which a vendor of this format signs a body."""
    key, stamp = secret.encode(), str(int(at.timestamp()))
    match form:
        case "shopify":
            return {"x-shopify-hmac-sha256": mac(key, raw)}
        case "woocommerce":
            return {"x-wc-webhook-signature": mac(key, raw)}
        case "stripe":
            return {"stripe-signature": f"t={stamp},v1={hexmac(key, stamp.encode() + b'.' + raw)},v0=0"}
        case "standard-webhooks":
            inner = base64.b64decode(secret.removeprefix("whsec_"))
            found = mac(inner, f"{webhook_id}.{stamp}.".encode() + raw)
            return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{found}"}
        case _:
            return {"x-hub-signature-256": f"sha256={hexmac(key, raw)}"}


# What becomes of a delivery


def source(form: str, **more: Any) -> Source:
    """A server's source of this format."""
    return Source(**{"id": SOURCE, "name": form, "kind": SourceKind.SERVER, "format": form, **more})


def delivery(body: Any, headers: Mapping[str, str]) -> Payload:
    """A delivery, once its signature was found right."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Payload(way=IngestMethod.WEBHOOK, raw=raw, around={"headers": dict(headers)})


def taken(
    payload: Payload, by: Source, *, owners: Mapping[str, Sequence[Identity]] = MappingProxyType({}), at: datetime = NOW
) -> TriageResult:
    """What the service makes of a payload."""
    context = triage.context_for(by, at, max_event_bytes=triage.MAX_PAYLOAD_EVENT_BYTES)
    known = {name: Owner(name, tuple(identities)) for name, identities in owners.items()}
    return triage.triage_payloads([payload], by, context, partition_secret=b"test", owners=known)


def events_of(done: TriageResult) -> list[Event]:
    """The events of a payload of which nothing was refused."""
    assert [one.error.text for one in done.refused] == []
    return [wire.decode(one.headers, one.value) for one in done.accepted]


def refusal_of(done: TriageResult) -> str:
    """Why a payload was refused, of which nothing was taken."""
    assert done.accepted == []
    [refused] = done.refused
    return refused.error.text


def folded(events: Iterable[Event], order: str) -> Order:
    """What is known of an order by these events."""
    return reduce(merge, (order_of(one) for one in events if order_id(one.body) == order), Order())


# Anything, anywhere


def _paths(payload: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(payload, dict):
        inner = payload.items()
    elif isinstance(payload, list):
        inner = enumerate(payload)
    for name, value in inner:
        yield from _paths(value, (*at, name))


def _put(payload: Any, path: Sequence[Any], value: Any) -> Any:
    if not path:
        return None if value is REMOVED else value
    first, *rest = path
    if isinstance(payload, dict):
        made = {**payload, first: _put(payload[first], rest, value)} if rest or value is not REMOVED else dict(payload)
        if not rest and value is REMOVED:
            del made[first]
        return made
    return [_put(one, rest, value) if n == first else one for n, one in enumerate(payload)]


@st.composite
def spoiled(draw: st.DrawFn, payload: Any, values: st.SearchStrategy[Any]) -> Any:
    """A payload in which some places are gone, or hold something else."""
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(_paths(payload))))
        payload = _put(payload, path, draw(st.just(REMOVED) | values))
    return payload
