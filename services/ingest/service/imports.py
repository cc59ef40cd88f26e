"""Imports: files become events, a batch at a time, and an import that was cut off goes on where it was.

A batch is published first, and then noted in one transaction: how far the file is read, and which of its rows were
refused. A process that dies between the two publishes the batch again, under the same ids.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from uuid_utils.compat import uuid7

from services.ingest.domain.definitions.mapping import Document, Mapper
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.errors import BadDefinition, BadEvent
from services.ingest.domain.formats import columns
from services.ingest.domain.formats.files import Options
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.repository import imports as repository
from services.ingest.service import files, sources, triage
from services.ingest.service.triage import RefusedPayload, TriageResult
from shared import audit
from shared.audit import Actor
from shared.contracts import keepable
from shared.database.database import Work
from shared.errors import Conflict, NotFound

BATCH_PAYLOADS: Final = 200  # some 20 ms, for which whatever shares this process waits
LEASE: Final = timedelta(seconds=30)  # renewed with each batch
SHOWN: Final = 3  # events that a dry run shows

Row = Mapping[str, Any]


class UnknownImport(NotFound):
    """There is no such import."""


class ImportHeld(Conflict):
    """Another process works on this import."""


class ImportEnded(Conflict):
    """This import has ended."""


class UploadsMixed(Conflict):
    """The file was uploaded twice at the same time."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some payloads of a file: what became of them, and the number of the row after them."""

    done: TriageResult
    next_row: int


@dataclass(slots=True)
class Report:
    """What an import has come to so far."""

    events: int = 0
    refused: int = 0
    unread_phones: int = 0
    placeholders: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Counts a batch."""
        self.events += len(batch.done.accepted)
        self.refused += len(batch.done.refused)
        self.unread_phones += batch.done.unread_phones
        self.placeholders.update(batch.done.placeholders)
        self.reasons.update(one.error.reason.value for one in batch.done.refused)
        for event in batch.done.events[: SHOWN - len(self.examples)]:
            who = ", ".join(map(str, event.identities))
            self.examples.append({"who": who, "at": event.occurred_at, "event": msgspec.to_builtins(event.body)})


def options_of(document: Any) -> Options:
    """Returns the options in a document. Raises `BadDefinition`."""
    try:
        options = msgspec.convert(document, Options)
        options.check()
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        raise BadDefinition(f"options{place and '.'}{place.rstrip('`')}: {problem}") from None
    except BadDefinition as error:
        raise BadDefinition(f"options.{error}") from None
    return options


def batches(
    path: Path,
    options: Options,
    source: Source,
    *,
    content_hash: bytes,
    start: int,
    partition_secret: bytes,
    received_at: datetime,
) -> Iterator[Batch]:
    """Yields the file's payloads from row `start` on, judged. Raises `NotReadable`."""
    document, mapper, file = options.document(), options.mapper(), content_hash.hex()
    context = triage.context_for(
        source, received_at, historical=options.historical, max_event_bytes=triage.MAX_PAYLOAD_EVENT_BYTES
    )
    found = files.payloads(path, options, start=start)
    while part := list(islice(found, BATCH_PAYLOADS)):
        payloads = [
            Payload(way=IngestMethod.FILE, raw=raw, around={"file": file, "row": row, "historical": options.historical})
            for row, _, raw in part
        ]
        done = triage.triage_payloads(payloads, source, context, partition_secret=partition_secret, mapper=mapper)
        done.refused[:] = [_in_the_files_words(one, document) for one in done.refused]
        yield Batch(done, part[-1][1])


def _in_the_files_words(refused: RefusedPayload, document: Document | None) -> RefusedPayload:
    """Returns a refusal that names the file's columns, which its author knows, and not only what they become."""
    return RefusedPayload(refused.payload, BadEvent(refused.error.reason, columns.named(refused.error.text, document)))


# The record of it


async def begin(
    work: Work, source_id: UUID, options: Options, *, name: str, content_hash: bytes, size: int, by: Actor
) -> Row:
    """Begins the import of this file with these options, and returns it. One that was begun before goes on.

    Raises `UnknownSource`, or `NotReadable` if no file of this format can be read.
    """
    files.require_reader(options.format)  # before it is begun: one that has failed is not imported again
    await sources.one(work, source_id)
    import_id = uuid5(source_id, f"import/{content_hash.hex()}/{options.fingerprint().hex()}")
    await repository.insert(
        work,
        import_id,
        source_id,
        name=name,
        content_hash=content_hash,
        size=size,
        options=msgspec.to_builtins(options),
        state="waiting",
        by=by.subject,
    )
    row = await one(work, import_id)
    if row["next_row"] == 0 and row["state"] == "waiting":
        change = {"source_id": source_id, "content": content_hash.hex(), "options": _options_digest(options)}
        await audit.record(work, by, "import.begun", "import", import_id, change)
    return row


async def announce(work: Work, source_id: UUID, options: Options, *, name: str, by: Actor) -> UUID:
    """Announces an import whose file is still to be uploaded. Returns its id.

    Raises `UnknownSource`, or `NotReadable` if no file of this format can be read.
    """
    files.require_reader(options.format)
    await sources.one(work, source_id)
    import_id = uuid7()
    await repository.insert(
        work,
        import_id,
        source_id,
        name=name,
        content_hash=b"",
        size=0,
        options=msgspec.to_builtins(options),
        state="uploading",
        by=by.subject,
    )
    change = {"source_id": source_id, "options": _options_digest(options)}
    await audit.record(work, by, "import.announced", "import", import_id, change)
    return import_id


def _options_digest(options: Options) -> str | None:
    return audit.digest(msgspec.to_builtins(options))


async def begin_upload(work: Work, import_id: UUID) -> None:
    """Prepares for a file's bytes; earlier parts of it are thrown away. Raises `ImportEnded`."""
    if (await one(work, import_id))["state"] != "uploading":
        raise ImportEnded(f"the file of import {import_id} is here already")
    await repository.drop_chunks(work, import_id)


async def add_chunk(work: Work, import_id: UUID, number: int, content: bytes) -> None:
    """Keeps a part of an uploaded file. Raises `ImportEnded` once a whole file is here."""
    if not await repository.add_chunk(work, import_id, number, content):
        raise ImportEnded(f"the file of import {import_id} is here already")


async def end_upload(
    work: Work, import_id: UUID, *, content_hash: bytes, size: int, digests: Sequence[bytes], by: Actor
) -> None:
    """Notes that the whole file is here, in parts with these digests; some process will work on it.

    Raises `UploadsMixed`, and `ImportEnded` once a whole file is here.
    """
    if await repository.chunk_digests(work, import_id) != list(digests):
        raise UploadsMixed(f"import {import_id}; send the file again, once")
    if (await one(work, import_id))["state"] != "uploading":
        raise ImportEnded(f"the file of import {import_id} is here already")
    await repository.uploaded(work, import_id, content_hash=content_hash, size=size)
    change = {"content": content_hash.hex(), "bytes": size}
    await audit.record(work, by, "import.uploaded", "import", import_id, change)


async def chunk(work: Work, import_id: UUID, number: int) -> bytes | None:
    """Returns a part of an uploaded file; None after the last."""
    return await repository.chunk(work, import_id, number)


async def claim(work: Work, holder: UUID) -> Row | None:
    """Claims an uploaded import that nobody works on, for `LEASE`, and returns it; None if there is none."""
    return await repository.claim(work, holder, until=work.now + LEASE)


async def let_go(work: Work, import_id: UUID, holder: UUID, *, at_once: bool) -> None:
    """Notes that this process stops working on an import; another may go on at once, or when its lease ends."""
    await repository.let_go(work, import_id, holder, until=work.now if at_once else None)


async def hold(work: Work, import_id: UUID, holder: UUID) -> Row:
    """Makes this process the one that works on an import, or goes on doing so. Raises `ImportHeld` or `ImportEnded`.

    A failed import whose file was not uploaded goes on where it was: somebody asks for that.
    """
    row = await one(work, import_id)
    if row["state"] == "done" or (row["state"] == "failed" and row["uploaded"]):
        raise ImportEnded(f"import {import_id} is {row['state']}")
    if not await repository.hold(work, import_id, holder, until=work.now + LEASE):
        raise ImportHeld(f"import {import_id}; it can go on {LEASE.total_seconds():.0f} s after its process ended")
    return row


async def checkpoint(work: Work, import_id: UUID, holder: UUID, source: Source, batch: Batch, *, dry: bool) -> None:
    """Notes a published batch: how far the file is read, and what was refused. Raises `ImportHeld`."""
    moved = await repository.advance(
        work,
        import_id,
        holder,
        until=work.now + LEASE,
        next_row=batch.next_row,
        events=len(batch.done.accepted),
        refused=len(batch.done.refused),
    )
    if not moved:
        raise ImportHeld(f"import {import_id}")
    if batch.done.refused:
        await repository.add_rejects(work, import_id, [_reject(one) for one in batch.done.refused])
        if not dry:
            await triage.keep(work, source.id, batch.done.refused, import_id=import_id)


def _reject(one: RefusedPayload) -> Row:
    payload, error = one.payload, one.error
    reason = {"reason_code": error.reason.value, "reason": error.text}
    return {"row": payload.around["row"], "raw": payload.raw, **reason}


async def end(work: Work, import_id: UUID, holder: UUID, *, error: str = "") -> None:
    """Notes that an import is done, or has failed with this error, and throws an uploaded file away."""
    await repository.end(
        work, import_id, holder, state="failed" if error else "done", error=keepable.text(error) or None
    )
    await repository.drop_chunks(work, import_id)


async def one(work: Work, import_id: UUID) -> Row:
    """Returns one import. Raises `UnknownImport`."""
    found = await repository.one(work, import_id)
    if found is None:
        raise UnknownImport(str(import_id))
    return found


async def page(work: Work, *, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Row]:
    """Returns imports, newest first, after a position."""
    return await repository.page(work, after=after, limit=limit)


async def rejects(work: Work, import_id: UUID, *, after: int, limit: int) -> Sequence[Row]:
    """Returns refused rows of an import, in the file's order, after a row."""
    return await repository.rejects(work, import_id, after=after, limit=limit)


async def mapper_of(work: Work, import_id: UUID) -> Mapper | None:
    """Returns the mapping by which an import's rows were read."""
    return _compiled(msgspec.json.encode((await one(work, import_id))["options"]))


@lru_cache(16)  # a release of many rows asks for one mapping again and again
def _compiled(options: bytes) -> Mapper | None:
    return msgspec.json.decode(options, type=Options).mapper()
