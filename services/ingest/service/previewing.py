"""Trying a definition out: what would come of it, without anything coming of it."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadEvent
from services.ingest.domain.payload import Payload, Way, meaning
from services.ingest.domain.source import Format, Source
from services.ingest.service import taking
from services.ingest.service.sources import NotUsable
from services.ingest.service.taking import Sorted

_SECRET: Final = b"preview"  # of the partition key, which nobody sees


def try_mapping(source: Source, payload: Any, now: datetime) -> tuple[list[dict[str, Any]], Sorted]:
    """The messages that a source's mapping makes of a payload, and what they come to. Raises `NotUsable`."""
    if source.mapper is None:
        raise NotUsable("mapping: give one to try, or give the source one")
    tried = Payload(way=Way.WEBHOOK, raw=msgspec.json.encode(payload))
    reception = taking.reception_of(source, now, max_event_bytes=taking.MAX_PAYLOAD_EVENT_BYTES)
    mapped = replace(source, format=Format.JSON)  # whatever its payloads are: the mapping is what is tried
    try:
        found = meaning(tried, reception, mapped.format, mapped.mapper)
    except BadEvent as error:
        return [], Sorted(refused=[taking.Refused(tried, error)])
    done = taking.sort_payloads([tried], mapped, reception, partition_secret=_SECRET)
    return [msgspec.json.decode(message) for message in found.messages], done
