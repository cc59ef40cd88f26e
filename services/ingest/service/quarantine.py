"""The quarantine: refused payloads are looked at, repaired, released or dropped, and forgotten after some days.

A release judges a payload again by its source's present rules, and puts its events into the outbox in the transaction
that notes the release. They have the ids that they would have had, so they are folded once, however often they are
released.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.ingest.domain.definitions.repair import Repair
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.definitions.write_key import text_without_write_keys
from services.ingest.domain.errors import BadEvent, definition_of
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.domain.values.context import Locate, nowhere
from services.ingest.domain.values.message import Context, context_in
from services.ingest.domain.values.times import moment
from services.ingest.repository import quarantine as repository
from services.ingest.repository.quarantine import QuarantinedPayload
from services.ingest.service import imports, owners, sources, triage
from services.ingest.service.triage import TriageResult
from services.ingest.service.vault import Vault
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import Conflict, NotFound

FORGET_AT_ONCE: Final = 1_000  # rows deleted in one transaction
ITSELF: Final = Actor("ingest")  # who releases what has waited for its order


class UnknownPayload(NotFound):
    """There is no such payload in the quarantine."""


class AlreadyDecided(Conflict):
    """This payload was released or dropped before."""


class Released(msgspec.Struct, frozen=True):
    """What became, or would become, of a payload: the events that it made, or why it is still refused."""

    id: UUID
    released: bool
    events: int = 0
    reason: str = ""


async def page(work: Work, **filters: Any) -> Sequence[QuarantinedPayload]:
    """Returns a page of refused payloads, newest first."""
    return await repository.page(work, **filters)


async def one(work: Work, row_id: UUID) -> QuarantinedPayload:
    """Returns one refused payload. Raises `UnknownPayload`."""
    found = await repository.one(work, row_id)
    if found is None:
        raise UnknownPayload(str(row_id))
    return found


async def reasons(work: Work, *, source_id: UUID | None) -> Mapping[str, int]:
    """Returns how many payloads are held for each reason."""
    return await repository.reasons(work, source_id=source_id)


async def chosen(
    work: Work, *, source_id: UUID | None, reason_code: str | None, import_id: UUID | None, limit: int
) -> Sequence[UUID]:
    """Returns held payloads to decide on together, oldest first."""
    return await repository.chosen(work, source_id=source_id, reason_code=reason_code, import_id=import_id, limit=limit)


async def drop(work: Work, row_id: UUID, *, by: Actor, note: str) -> None:
    """Gives a payload up. It can still be looked at until it is forgotten. Idempotent."""
    row = await _locked(work, row_id)
    if row.state == "released":
        raise AlreadyDecided(f"{row_id} was released at {row.decided_at:%Y-%m-%d %H:%M:%S}")
    await repository.decide(work, row_id, state="dropped", by=by.subject, note=note)
    await audit.record(work, by, "quarantine.dropped", "payload", row_id)


async def release(
    work: Work, vault: Vault, row_id: UUID, *, repair: Repair | None, by: Actor, partition_secret: bytes, locate: Locate
) -> Released:
    """Judges a payload again, repaired if a repair is given, and hands its events on. A second release changes nothing.

    Raises `UnknownPayload`. A payload that is still refused stays, with its new reason.
    """
    row = await _locked(work, row_id)
    if row.state == "released":
        return Released(row_id, True)
    source = sources.compiled(await sources.one(work, row.source_id), vault)
    done = await _judged(work, row, source, repair, partition_secret=partition_secret, locate=locate)
    if done.refused:
        error = done.refused[0].error
        text = text_without_write_keys(error.text)
        await repository.refuse_again(work, row_id, reason_code=error.reason.value, reason=text)
        return Released(row_id, False, reason=text)
    await triage.spool(work, done.accepted)
    if IngestMethod(row.way) is IngestMethod.WEBHOOK and (stated := owners.stated(done)):
        await owners.remember(work, source, stated)
        await release_waiting(work, vault, source, list(stated), partition_secret=partition_secret)
    await repository.decide(work, row_id, state="released", by=by.subject, note=repair.text if repair else "")
    change = {"events": len(done.accepted), "repair": audit.digest(repair.text if repair else None)}
    await audit.record(work, by, "quarantine.released", "payload", row_id, change)
    return Released(row_id, True, events=len(done.accepted))


async def release_waiting(
    work: Work, vault: Vault, source: Source, names: Sequence[str], *, partition_secret: bytes
) -> int:
    """Releases what waits for the customers of these orders, now that they are known. Returns how many were."""
    released = 0
    for row_id in await owners.waiting(work, source, names):
        found = await release(
            work, vault, row_id, repair=None, by=ITSELF, partition_secret=partition_secret, locate=nowhere
        )
        released += found.released
    return released


async def try_release(
    work: Work, vault: Vault, row_id: UUID, *, repair: Repair | None, partition_secret: bytes
) -> Released:
    """Returns what a release would do, and changes nothing."""
    row = await one(work, row_id)
    source = sources.compiled(await sources.one(work, row.source_id), vault)
    done = await _judged(work, row, source, repair, partition_secret=partition_secret)
    if done.refused:
        return Released(row_id, False, reason=done.refused[0].error.text)
    return Released(row_id, True, events=len(done.accepted))


async def _judged(
    work: Work, row: QuarantinedPayload, source: Source, repair: Repair | None, **how: Any
) -> TriageResult:
    raw, around = row.raw, row.around
    payload = Payload(way=IngestMethod(row.way), raw=raw, around=around)
    locate: Locate | None = how.pop("locate", None)
    context = triage.context_for(
        source,
        row.received_at,
        sent_at=moment(around.get("sent_at")),
        context=_context(around),
        historical=bool(around.get("historical")),
        type=around.get("type"),
        address=around.get("address", ""),
        user_agent=around.get("user_agent", ""),
        max_event_bytes=triage.MAX_PAYLOAD_EVENT_BYTES,
        **({"locate": locate} if locate else {}),
    )
    if repair is not None:
        try:
            payload = msgspec.structs.replace(payload, raw=repair.apply(raw))
        except BadEvent as error:
            return TriageResult(refused=[triage.RefusedPayload(payload, error)])
    mapper = await imports.mapper_of(work, row.import_id) if row.import_id else source.mapper
    known = await owners.needed(work, source, payload, context) if payload.way is IngestMethod.WEBHOOK else {}
    return triage.triage_payloads([payload], source, context, mapper=mapper, owners=known, **how)


def _context(around: Mapping[str, Any]) -> Context:
    return context_in(msgspec.json.encode(around["context"])) if around.get("context") else context_in(b"")


async def _locked(work: Work, row_id: UUID) -> QuarantinedPayload:
    found = await repository.lock(work, row_id)
    if found is None:
        raise UnknownPayload(str(row_id))
    return found


async def forget(work: Work, *, keep: timedelta) -> int:
    """Deletes some payloads that were kept long enough. Returns how many."""
    return await repository.forget(work, before=work.now - keep, limit=FORGET_AT_ONCE)


def repair_of(document: Any) -> Repair | None:
    """Returns the repair in an operator's document. Raises `BadDefinition`."""
    if document is None:
        return None
    with definition_of("repair"):
        return Repair(msgspec.json.encode(document))
