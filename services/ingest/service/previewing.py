"""Trying a definition out: what would come of it, without anything coming of it."""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadEvent
from services.ingest.domain.payload import Payload, Way
from services.ingest.domain.source import Source
from services.ingest.service import taking
from services.ingest.service.sources import NotUsable
from services.ingest.service.taking import Sorted

_SECRET: Final = b"preview"  # of the partition key, which nobody sees


def try_mapping(source: Source, payload: Any, now: datetime) -> tuple[list[dict[str, Any]], Sorted]:
    """The messages that a source's mapping makes of a payload, and what they come to. Raises `NotUsable`."""
    if source.mapper is None:
        raise NotUsable("mapping: give one to try, or give the source one")
    raw = msgspec.json.encode(payload)
    try:
        messages = source.mapper.apply(payload)
    except BadEvent as error:
        return [], Sorted(refused=[taking.Refused(Payload(way=Way.WEBHOOK, raw=raw), error)])
    reception = taking.reception_of(source, now, max_event_bytes=taking.MAX_PAYLOAD_EVENT_BYTES)
    around = {"file": "preview", "row": 0}
    done = taking.sort_payloads(
        [Payload(way=Way.FILE, raw=raw, around=around)], source, reception, partition_secret=_SECRET
    )
    return msgspec.to_builtins(messages, str_keys=True), done
