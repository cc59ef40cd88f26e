"""Trying a definition: what it would make, without any effect."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadDefinition, BadEvent
from services.ingest.domain.payload import IngestMethod, Payload, meaning
from services.ingest.repository.sources import StoredSource
from services.ingest.service import sources, triage
from services.ingest.service.triage import TriageResult
from services.ingest.service.vault import Vault
from shared.errors import Invalid

PREVIEW_SECONDS: Final = 5  # a budget ends most of them within one
_SECRET: Final = b"preview"  # of the partition key, which nobody sees


class TookTooLong(Invalid):
    """This mapping takes too long on this payload."""


async def preview(
    row: StoredSource, vault: Vault, payload: Any, now: datetime
) -> tuple[list[dict[str, Any]], TriageResult]:
    """Returns `try_mapping`, run in a thread beside the process's other work.

    Raises `BadDefinition` or `TookTooLong`.
    """
    try:
        async with asyncio.timeout(PREVIEW_SECONDS):
            return await asyncio.to_thread(try_mapping, row, vault, payload, now)
    except TimeoutError:  # the thread ends by its budget
        raise TookTooLong(f"mapping: longer than {PREVIEW_SECONDS} s; simplify its expressions") from None


def try_mapping(
    row: StoredSource, vault: Vault, payload: Any, now: datetime
) -> tuple[list[dict[str, Any]], TriageResult]:
    """Returns the messages that a source's mapping makes of a payload, and their triage. Raises `BadDefinition`."""
    source = sources.compiled(row, vault)
    if source.mapper is None:
        raise BadDefinition("mapping: give one to try, or give the source one")
    tried = Payload(way=IngestMethod.WEBHOOK, raw=msgspec.json.encode(payload))
    context = triage.context_for(source, now, max_event_bytes=triage.MAX_PAYLOAD_EVENT_BYTES)
    mapped = replace(source, format="json")  # whatever its format: the mapping is tried
    try:
        found = meaning(tried, context, mapped.format, mapped.mapper)
    except BadEvent as error:
        return [], TriageResult(refused=[triage.RefusedPayload(tried, error)])
    done = triage.triage_payloads([tried], mapped, context, partition_secret=_SECRET)
    return [msgspec.json.decode(message) for message in found.messages], done
