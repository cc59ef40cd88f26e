"""Applying one partition's batch: one transaction, from the swap of the offset to the dead letters."""

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from shared import metrics
from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.contracts.events import Body
from shared.db import Database, Work, refuses_data
from shared.errors import Refused
from shared.failpoints import failpoint
from shared.kafka import dead_letters, decisions, offsets
from shared.kafka.dead_letters import DeadLetter, Record
from shared.kafka.offsets import Place
from shared.kafka.producer import Producer
from shared.logging import trace_id

Handler = Callable[[Work, Sequence[Event]], Awaitable[None]]
Handlers = Mapping[type[Body], Handler]


class PartitionLost(Exception):
    """Another holder took the partition, or moved it."""


class BreakerOpened(Exception):
    """Too many dead letters."""


@dataclass(slots=True)
class Held:
    """A partition that this process holds.

    `expected` is the next offset to read, `stored` the one in the database. They differ behind records without a
    handler, which are passed over without a transaction: reading those again would do nothing, too.
    """

    place: Place
    epoch: int
    expected: int
    stored: int
    stopped: str | None = None
    last_record_at: datetime | None = None


class Applier(Protocol):
    """What a consumer asks of who applies its batches."""

    async def apply(self, held: Held, batch: Sequence[Record]) -> str | None:
        """Applies a batch of a partition, and moves `held`; why the partition stops there, if it does."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Applies batches through `handlers`. `swaps` is False only in the test that shows what the swap is for."""

    service: str
    database: Database
    producer: Producer
    handlers: Handlers
    swaps: bool = True
    decode: wire.Decode = wire.decode

    async def apply(self, held: Held, batch: Sequence[Record]) -> str | None:
        """Applies a batch up to the first record that this code is too old for; returns why it stopped there.

        Nearly every batch has nothing to refuse, so it is first tried without savepoints, which cost two round
        trips each; one that is refused is rolled back whole and applied again with care.
        """
        try:
            return await self._transact(held, batch, careful=False)
        except Refused:
            return await self._transact(held, batch, careful=True)
        except DBAPIError as error:
            if not refuses_data(error):
                raise
            return await self._transact(held, batch, careful=True)

    async def _transact(self, held: Held, batch: Sequence[Record], *, careful: bool) -> str | None:
        letters: list[DeadLetter] = []
        events: list[tuple[Record, Event]] = []
        newer: str | None = None
        upto = held.expected
        for record in batch:
            try:
                events.append((record, self.decode(record.headers, record.value)))
            except wire.NewerThanCode as error:
                newer = f"offset {record.offset} is {error}, which this release does not know: upgrade it"
                break
            except wire.Undecodable as error:
                letters.append(DeadLetter(record, str(error)))
            upto = record.offset + 1
        if upto == held.expected:
            return newer
        topic = held.place.topic
        held.last_record_at = _moment(batch[-1].timestamp_ms)
        if not letters and not any(type(event.body) in self.handlers for _, event in events):
            held.expected = upto
            metrics.records.labels(topic, "unhandled").inc(len(events))
            return newer
        async with self.database.work() as work:
            work.origin = held.place.partition
            counts = await offsets.swap(
                work.connection,
                held.place,
                epoch=held.epoch,
                expected=held.stored,
                new=upto,
                records=len(events) + len(letters),
                window=dead_letters.WINDOW,
            )
            if counts is None and self.swaps:
                raise PartitionLost
            repeated: set[int] = set()
            if self.swaps:
                repeated = await offsets.repeated(work.connection, held.place, (event for _, event in events))
            new = [pair for n, pair in enumerate(events) if n not in repeated]
            wanted = [pair for pair in new if type(pair[1].body) in self.handlers]
            for handler, pairs in itertools.groupby(wanted, key=lambda pair: self.handlers[type(pair[1].body)]):
                run = list(pairs)
                trace_id.set(trace_of(run[0][1]))
                if careful:
                    await self._with_care(work, handler, run, letters)
                else:
                    await handler(work, [event for _, event in run])
            failpoint("batch.after_effects")
            if letters:
                if counts is not None and dead_letters.too_many(seen=counts.seen, dead=counts.dead + len(letters)):
                    refused = f"{counts.dead + len(letters)} of {counts.seen} records refused"
                    raise BreakerOpened(f"{refused}; the last: {letters[-1].reason}")
                await offsets.count_dead(work.connection, held.place, len(letters))
                await decisions.refuse(
                    work, {dead_letters.place_text(held.place, one.record.offset): one.reason for one in letters}
                )
                await dead_letters.write(self.producer, self.service, held.place, letters, now=work.now)
                failpoint("batch.after_dead_letters")
        failpoint("batch.after_commit")
        held.expected = held.stored = upto
        metrics.records.labels(topic, "duplicate").inc(len(repeated))
        metrics.records.labels(topic, "dead").inc(len(letters))
        metrics.records.labels(topic, "applied").inc(len(wanted))
        metrics.records.labels(topic, "unhandled").inc(len(new) - len(wanted))
        return newer

    async def _with_care(
        self, work: Work, handler: Handler, run: Sequence[tuple[Record, Event]], letters: list[DeadLetter]
    ) -> None:
        """Applies a run of events under a savepoint, halving it to find what is refused."""
        try:
            async with work.savepoint():
                await handler(work, [event for _, event in run])
            return
        except Refused as error:
            reason = str(error)
        except DBAPIError as error:
            if not refuses_data(error):
                raise
            reason = str(error.orig)
        if len(run) == 1:
            letters.append(DeadLetter(run[0][0], reason))
            return
        half = len(run) // 2
        await self._with_care(work, handler, run[:half], letters)
        await self._with_care(work, handler, run[half:], letters)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def trace_of(event: Event) -> str | None:
    """The id of the trace that an event belongs to."""
    parts = (event.traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None
