"""Records of `rapport.inbound.v1`: CloudEvents that upstream systems produce to Kafka themselves.

Source: CloudEvents 1.0.2, Kafka protocol binding, sections 3.2 (binary mode) and 3.3 (structured mode).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec

from services.ingest.domain.formats import cloudevents
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body

_RECORDS: Final = UUID("5b0fd1c2-6f6c-5a55-9d63-5f0a7f1a9e44")  # namespace of the ids of records
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Inbound(Body, frozen=True):
    """One record, before it is understood: a CloudEvent in the JSON format, and the source that it names."""

    ce_source: str
    raw: bytes


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    source: str = ""
    id: str = ""


_decode_named: Final = msgspec.json.Decoder(_Named).decode


def decode(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Event:
    """Returns a record as the consumer runtime handles it. Never raises: its handler says what is wrong with it.

    The event's source is the name that the record gives. The handler also says whether there is such a source.
    """
    # Kafka allows a header without a value: it says nothing. Names are written as HTTP's are, in any case.
    texts = {name.lower(): raw.decode(errors="replace") for name, raw in headers if raw is not None}
    content_type = texts.get("content-type", "")
    raw = value or b""
    if not content_type.lower().startswith(cloudevents.MEDIA_TYPE):
        attributes = {name.removeprefix("ce_"): text for name, text in texts.items() if name.startswith("ce_")}
        if attributes:
            raw = _structured(attributes, content_type, raw)
    try:
        named = _decode_named(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        named = _Named()
    return Event(
        event_id=uuid5(_RECORDS, f"{named.source}\n{named.id}" if named.id else raw.hex()),
        source_id=named.source,
        source_kind=SourceKind.SERVER,
        occurred_at=_EPOCH,
        received_at=_EPOCH,
        body=Inbound(ce_source=named.source, raw=raw),
        traceparent=texts.get("traceparent"),
    )


def _structured(attributes: dict[str, str], content_type: str, data: bytes) -> bytes:
    try:
        made = cloudevents.structured(attributes, content_type, data)
        msgspec.json.decode(made)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Data that is not JSON: kept as it is, so that the refusal shows it.
        return cloudevents.structured(attributes, "application/octet-stream", data)
    return made
