"""Loops beside the consumer: writing down what was counted, and working on uploaded files."""

import asyncio
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError

from services.ingest.domain.definitions.source import Source
from services.ingest.domain.formats.files import Options
from services.ingest.service import fact_keys, files, imports, owners, quarantine, source_stats, sources, triage
from services.ingest.service.files import Interrupted, NotReadable
from services.ingest.service.imports import Batch, ImportEnded, ImportHeld
from services.ingest.service.source_stats import SourceStats
from services.ingest.service.triage import Publisher
from services.ingest.service.vault import Vault
from shared.database.database import DATABASE_ERRORS, Database, is_away, refuses_data
from shared.errors import AppError
from shared.kafka.producer import BrokerAway
from shared.service import metrics
from shared.service.clock import Clock
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger
from shared.service.loops import AT_ONCE, repeat, until_set

WRITE_SECONDS: Final = 2.0
TAIL_SECONDS: Final = 0.5  # while somebody watches a source
FORGET_SECONDS: Final = 600.0
TAIL_KEPT: Final = timedelta(minutes=1)
LOOK_SECONDS: Final = 2.0  # for uploaded files
BACKOFF_SECONDS: Final = 2.0
MAX_INTERRUPTED: Final = 5  # ends of processes without progress; a file that ends them must not do so for ever
HOLD_CHUNKS: Final = 64  # parts of an uploaded file, each a MiB at most, between two renewals of the lease
RENEW_SECONDS: Final = 1.0  # between two renewals of the lease, while a file is looked through

log = get_logger(__name__)

Progress = Callable[[Batch], None]


@dataclass
class StatsWriter:
    """Writes down what its process has counted, and deletes what was kept long enough."""

    database: Database
    stats: SourceStats
    keep: timedelta
    tick: Callable[[], None]
    _forget_at: float = 0.0  # of the loop's clock

    async def run(self, stop: asyncio.Event) -> None:
        """Writes until stopped, and once more then."""
        await repeat(
            self._step,
            stop,
            waits_for=DATABASE_ERRORS,
            waiting="stats_writer.waits_for_postgresql",
            back_off_seconds=WRITE_SECONDS,
            tick=self.tick,
        )
        await self._write()

    async def _step(self) -> float:
        now = asyncio.get_running_loop().time()
        await self._write()
        if now >= self._forget_at:
            self._forget_at = now + (0 if await self._forget() else FORGET_SECONDS)
        return TAIL_SECONDS if self.stats.watched else WRITE_SECONDS

    async def _write(self) -> None:
        gathered = self.stats.take()
        try:
            async with self.database.work() as work:
                await source_stats.write(work, gathered)
                self.stats.watched = await source_stats.watched(work)
                await source_stats.forget_tail(work, before=work.now - TAIL_KEPT)
        except DATABASE_ERRORS as error:
            if isinstance(error, DBAPIError) and refuses_data(error):
                # It would be refused for ever, and with it the figures of all sources.
                log.error("stats_writer.figures_dropped", error=str(error.orig))
                return
            self.stats.put_back(gathered)
            log.warning("stats_writer.waits_for_postgresql", error=repr(error))

    async def _forget(self) -> bool:
        """Returns whether there may be more to forget."""
        async with self.database.work() as work:
            forgotten = await quarantine.forget(work, keep=self.keep) + await fact_keys.forget(work)
            return forgotten > 0


@dataclass
class Importer:
    """Imports files: those that were uploaded, in a loop, and any other by hand.

    Guarantee: an event of the file is published under the same id, however often its import is cut off and goes on.
    With `outbox_bytes`, for a broker that keeps nothing, events go to the outbox in the transaction that notes how far
    the file is read, as long as less than that many bytes are there.
    """

    database: Database
    publisher: Publisher
    clock: Clock
    vault: Vault
    partition_secret: bytes
    outbox_bytes: int | None = None
    holder: UUID = field(default_factory=uuid4)

    async def run(self, stop: asyncio.Event) -> None:
        """Works on uploaded files until stopped. Another process goes on with one that is not done then."""
        await repeat(
            partial(self._next, stop),
            stop,
            waits_for=(BrokerAway, ImportHeld, *DATABASE_ERRORS),
            waiting="importer.waits",
            back_off_seconds=BACKOFF_SECONDS,
        )

    async def _next(self, stop: asyncio.Event) -> float:
        async with self.database.work() as work:
            row = await imports.claim(work, self.holder)
        if row is None:
            return LOOK_SECONDS
        await self._uploaded(row, stop)
        return AT_ONCE

    async def _uploaded(self, row: Any, stop: asyncio.Event) -> None:
        if row["interrupted"] >= MAX_INTERRUPTED:
            times, after = row["interrupted"], row["next_row"]
            await self._fail(row, f"its process ended {times} times while it worked on what follows row {after}")
            return
        try:
            with files.readable("no place for the file"):
                file = tempfile.NamedTemporaryFile(prefix="rapport-import-")  # noqa: SIM115 # closed below
            with file:
                await self._fetch(row, file)
                await self.work_on(row, Path(file.name), stop=stop)
        except NotReadable as failure:
            await self._fail(row, failure.detail)
        except ImportEnded:
            return  # another process has ended it

    async def _fetch(self, row: Any, file: Any) -> None:
        """Writes an uploaded file's parts to the disk, holding the import meanwhile. Raises `NotReadable`."""
        number = 0
        while True:
            async with self.database.work() as work:
                content = await imports.chunk(work, row["id"], number)
                if number % HOLD_CHUNKS == 0:
                    await imports.hold(work, row["id"], self.holder)
            if content is None:
                break
            with files.readable("no place for the file"):  # a full disk is not PostgreSQL's absence
                file.write(content)
            number += 1
        with files.readable("no place for the file"):
            file.flush()

    async def work_on(
        self, row: Any, path: Path, *, stop: asyncio.Event, progress: Progress = lambda _: None, examined: bool = False
    ) -> bool:
        """Imports a file that this process holds, from where it was. Returns whether it came to its end.

        Whatever the file or its options raise ends this import as failed, with the reason, and nothing else: so does a
        defect of ours, which is logged and counted as one. Raises `BrokerAway`, `ImportHeld`, and what is raised while
        PostgreSQL is away: the import goes on later.
        """
        try:
            if not await self._work_on(row, path, stop, progress, examined=examined):
                await self._let_go(row, at_once=True)
                return False
            async with self.database.work() as work:
                await imports.end(work, row["id"], self.holder)
            return True
        except (BrokerAway, ImportHeld):
            await self._let_go(row, at_once=False)
            raise
        except NotReadable as failure:
            await self._fail(row, failure.detail)
        except AppError as failure:
            await self._fail(row, f"{failure.title()} {failure.detail}")
        except Exception as failure:
            if is_away(failure):
                raise
            log.exception("import.defect", import_id=str(row["id"]))
            await self._fail(row, f"a defect of this program, noted in its log: {failure!r}", defect=True)
        return False

    async def _work_on(self, row: Any, path: Path, stop: asyncio.Event, progress: Progress, *, examined: bool) -> bool:
        """Returns False if it was stopped before the file's end."""
        options = imports.options_of(row["options"])
        async with self.database.work() as work:
            source = sources.compiled(await sources.one(work, row["source_id"]), self.vault)
        if row["next_row"] == 0 and not examined and not await self._examine(row, path, options, stop):
            return False
        for batch in self._batches(row, path, options, source):
            if not await self._has_room(row, stop):
                return False
            await self._take(row, options, source, batch)
            progress(batch)
            if stop.is_set():
                return False
            await asyncio.sleep(0)  # reading and judging hold the loop: let the others have it
        return True

    async def _examine(self, row: Any, path: Path, options: Options, stop: asyncio.Event) -> bool:
        """Looks a file through in a thread, holding the import meanwhile. Returns False if it was stopped before."""
        given_up = threading.Event()
        look = partial(files.examine, path, options, interrupted=given_up.is_set)
        looking = asyncio.get_running_loop().run_in_executor(None, look)
        try:
            while not looking.done() and not stop.is_set():
                await asyncio.wait({looking}, timeout=RENEW_SECONDS)
                if not looking.done():
                    async with self.database.work() as work:
                        await imports.hold(work, row["id"], self.holder)
        finally:
            given_up.set()
            await asyncio.wait({looking})  # the thread ends soon
        failure = looking.exception()
        if failure is not None and not isinstance(failure, Interrupted):
            raise failure
        return failure is None

    async def _let_go(self, row: Any, *, at_once: bool) -> None:
        async with self.database.work() as work:
            await imports.let_go(work, row["id"], self.holder, at_once=at_once)

    async def _fail(self, row: Any, error: str, *, defect: bool = False) -> None:
        metrics.imports_failed.labels("defect" if defect else "file").inc()
        async with self.database.work() as work:
            await imports.end(work, row["id"], self.holder, error=error)

    def _batches(self, row: Any, path: Path, options: Options, source: Source) -> Any:
        return imports.batches(
            path,
            options,
            source,
            content_hash=bytes(row["content_hash"]),
            start=row["next_row"],
            partition_secret=self.partition_secret,
            received_at=self.clock.now(),
        )

    async def _has_room(self, row: Any, stop: asyncio.Event) -> bool:
        """Waits until the outbox accepts more, holding the import meanwhile. Returns False if it was stopped before."""
        while self.outbox_bytes is not None:
            async with self.database.work() as work:
                if await triage.spooled_bytes(work) < self.outbox_bytes:
                    break
                await imports.hold(work, row["id"], self.holder)
            await until_set(stop, seconds=BACKOFF_SECONDS)
            if stop.is_set():
                return False
        return True

    async def _take(self, row: Any, options: Options, source: Source, batch: Batch) -> None:
        accepted = [] if options.dry_run else batch.done.accepted
        if accepted and self.outbox_bytes is None:
            await self.publisher.send(accepted)
            failpoint("import.after_publish")
        async with self.database.work() as work:
            if self.outbox_bytes is not None:
                await triage.spool(work, accepted)
            await imports.checkpoint(work, row["id"], self.holder, source, batch, dry=options.dry_run)
            if accepted and (stated := owners.stated(batch.done)):
                await owners.remember(work, source, stated)
                await quarantine.release_waiting(
                    work, self.vault, source, list(stated), partition_secret=self.partition_secret
                )
        failpoint("import.after_checkpoint")
