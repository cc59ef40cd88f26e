"""Applying one partition's batch: one transaction, from the swap of the offset to the dead letters."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.database.database import Database, Work
from shared.kafka import decoding
from shared.kafka.consumer import offsets
from shared.kafka.consumer.offsets import Doubtful, Place, Swapped
from shared.kafka.dead_letters import breaker, dead_letter, decisions, isolation, sources
from shared.kafka.dead_letters.breaker import Recent
from shared.kafka.dead_letters.dead_letter import DeadLetter, Record, reason_text
from shared.kafka.dead_letters.isolation import Failed, Handler, Handlers, Run
from shared.kafka.dead_letters.sources import OURS, BlockedSource, Cause, source_of
from shared.kafka.producer import Producer
from shared.service import metrics
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger, trace_id

__all__ = ["Applier", "Batches", "BreakerOpened", "Handler", "Handlers", "OwnedPartition", "PartitionLost", "trace_of"]

# A batch with something to refuse is applied in pieces, each a transaction: to find one record takes a dozen
# savepoints, and a transaction that finds a thousand would outlive its time.
CAREFUL_RECORDS = 100

log = get_logger(__name__)


class PartitionLost(Exception):
    """Another holder took the partition, or moved it."""


class BreakerOpened(Exception):
    """Too many dead letters."""


@dataclass(slots=True)
class OwnedPartition:
    """A partition that this process holds.

    `expected` is the next offset to read, `stored` the one in the database. They differ after records without a
    handler, which are passed over without a transaction: reading those again would do nothing, too.
    """

    place: Place
    epoch: int
    expected: int
    stored: int
    stopped: str | None = None
    last_record_at: datetime | None = None
    recent: Recent = field(default_factory=Recent)


@dataclass(slots=True)
class Read:
    """What a batch holds: events, letters, the offset after them, and what this code is too old for."""

    events: list[tuple[Record, Event]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    upto: int | None = None
    newer: str | None = None


@dataclass(frozen=True, slots=True)
class _Tally:
    """What became of a batch's events: those applied, by source, and how many faults came without one between."""

    applied: Counter[str]
    most_faults_in_a_row: int
    faults_in_a_row: int


class Applier(Protocol):
    """What a consumer asks of who applies its batches."""

    async def apply(self, held: OwnedPartition, batch: Sequence[Record]) -> str | None:
        """Applies a batch of a partition, and moves `held`; why the partition stops there, if it does."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Applies batches through `handlers`. `swaps` is False only in the test that shows what the swap is for."""

    service: str
    database: Database
    producer: Producer
    handlers: Handlers
    swaps: bool = True
    decode: wire.Decode = decoding.decode

    async def apply(self, held: OwnedPartition, batch: Sequence[Record]) -> str | None:
        """Applies a batch up to the first record that this code is too old for. Returns why it stopped there.

        Nearly every batch has nothing to refuse, so it is first tried without savepoints, which cost two round
        trips each; one in which something fails is rolled back whole and applied again with care.
        """
        try:
            return await self._transact(held, batch, careful=False)
        except Failed:
            pass
        for piece in _pieces(batch):
            if (stopped := await self._transact(held, piece, careful=True)) is not None:
                return stopped
        return None

    async def _transact(self, held: OwnedPartition, batch: Sequence[Record], *, careful: bool) -> str | None:
        read = self.read(batch)
        upto = read.upto
        if upto is None:
            return read.newer
        topic = held.place.topic
        held.last_record_at = batch[-1].produced_at or held.last_record_at
        if not read.letters and not any(type(event.body) in self.handlers for _, event in read.events):
            held.expected = upto
            metrics.records.labels(topic, "unhandled").inc(len(read.events))
            return read.newer
        async with self.database.work() as work:
            work.origin = held.place.partition
            swapped = await offsets.swap(
                work.connection,
                held.place,
                epoch=held.epoch,
                expected=held.stored,
                new=upto,
                records=len(read.events) + len(read.letters),
                window=breaker.WINDOW,
            )
            if swapped is None and self.swaps:
                raise PartitionLost
            doubtful = Doubtful()
            if self.swaps:
                doubtful = await offsets.doubtful(work.connection, held.place, (event for _, event in read.events))
            blocked = frozenset(swapped.blocked) if swapped else frozenset[str]()
            letters, wanted = [*read.letters], list[tuple[Record, Event]]()
            for n, (record, event) in enumerate(read.events):
                if n in doubtful.repeated or type(event.body) not in self.handlers:
                    continue
                if n in doubtful.implausible:
                    letters.append(_lane_leaps(record, event))
                elif blocked and source_of(event) in blocked:
                    letters.append(_is_blocked(record, event))
                else:
                    wanted.append((record, event))
            for handler, pairs in itertools.groupby(wanted, key=lambda pair: self.handlers[type(pair[1].body)]):
                run = list(pairs)
                trace_id.set(trace_of(run[0][1]))
                if careful:
                    await isolation.apply_carefully(work, handler, run, letters)
                else:
                    await isolation.attempt(handler, work, [event for _, event in run])
            letters += _set_aside(work, wanted)
            failpoint("batch.after_effects")
            tallied = tally(held, wanted, letters)
            if letters:
                newly = await self._judge(work, held, swapped, letters, blocked, tallied)
                await decisions.refuse(
                    work, {dead_letter.place_text(held.place, one.record.offset): one.reason for one in letters}
                )
                await dead_letter.write(self.producer, self.service, held.place, letters, now=work.now)
                failpoint("batch.after_dead_letters")
                work.afterwards.append(partial(_tell, newly))
                blocked |= {one.source for one in newly}
        failpoint("batch.after_commit")
        held.expected = held.stored = upto
        held.recent.note(tallied.applied, tallied.faults_in_a_row)
        metrics.records.labels(topic, "duplicate").inc(len(doubtful.repeated))
        metrics.records.labels(topic, "dead").inc(len(letters))
        metrics.records.labels(topic, "applied").inc(tallied.applied.total())
        metrics.records.labels(topic, "unhandled").inc(
            len(read.events) + len(read.letters) - len(doubtful.repeated) - len(letters) - tallied.applied.total()
        )
        metrics.note_blocked(blocked)
        return read.newer

    def read(self, batch: Sequence[Record]) -> Read:
        """Decodes a batch up to the first record that this code is too old for."""
        read = Read()
        for record in batch:
            try:
                found = isolation.read(self.decode, record)
            except wire.NewerThanCode as error:
                read.newer = f"offset {record.offset} is {error}, which this release does not know: upgrade it"
                break
            if isinstance(found, DeadLetter):
                read.letters.append(found)
            else:
                read.events.append((record, found))
            read.upto = record.offset + 1
        return read

    async def _judge(
        self,
        work: Work,
        held: OwnedPartition,
        swapped: Swapped | None,
        letters: Sequence[DeadLetter],
        blocked: frozenset[str],
        tallied: _Tally,
    ) -> Sequence[BlockedSource]:
        """Counts a batch's letters; returns the sources that are blocked for them. Raises `BreakerOpened`.

        Letters of a source that is blocked already, and what was set aside, count for nothing, nor were their records
        seen.
        """
        if swapped is None:
            return ()
        counted = [one for one in letters if one.source not in blocked and one.cause is not Cause.SET_ASIDE]
        uncounted = len(letters) - len(counted)
        seen, dead = swapped.seen - uncounted, swapped.dead + len(counted)
        if tallied.most_faults_in_a_row >= breaker.MIN_SAMPLE and dead > 0:
            raise BreakerOpened(
                reason_text(f"{tallied.most_faults_in_a_row} records in a row failed: {_last(counted, Cause.FAULT)}")
            )
        era = held.expected // breaker.WINDOW
        await offsets.count_dead(work.connection, held.place, len(counted), uncounted=uncounted)
        if not counted:
            return ()
        by_cause = Counter((letter.source, letter.cause) for letter in counted)
        await sources.count_refusals(work.connection, held.place, by_cause, era=era)
        if not breaker.too_many(seen=seen, dead=dead):
            return ()
        refused = await sources.refusals(work.connection, held.place, era=era)
        by_source = Counter[str]()
        for (source, _), count in refused.items():
            by_source[source] += count
        verdict = breaker.judge(seen=seen, dead=dead, refused=by_source, applied=held.recent.applied + tallied.applied)
        if verdict.stop is not None:
            raise BreakerOpened(reason_text(f"{dead} of {seen} records refused, {verdict.stop}; {_last(counted)}"))
        newly = [_blocked(source, refused, counted, work.now) for source in verdict.block]
        forgiven = sum(one.refused for one in newly)
        await sources.block(work, newly)
        await sources.forget_refusals(work.connection, held.place, verdict.block)
        await offsets.count_dead(work.connection, held.place, -min(forgiven, dead), uncounted=min(forgiven, seen))
        return newly


def trace_of(event: Event) -> str | None:
    """Returns the id of the trace that an event belongs to."""
    parts = (event.traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None


def _pieces(batch: Sequence[Record]) -> Iterator[Sequence[Record]]:
    return (batch[start : start + CAREFUL_RECORDS] for start in range(0, len(batch), CAREFUL_RECORDS))


def tally(held: OwnedPartition, wanted: Run, letters: Sequence[DeadLetter]) -> _Tally:
    """Returns what became of these events, in the order of their offsets."""
    dead = {letter.record.offset: letter.cause is Cause.FAULT for letter in letters}
    applied = Counter(source_of(event) for record, event in wanted if record.offset not in dead)
    faulted = [*(dead.get(record.offset, False) for record, _ in wanted)]
    longest, last = breaker.longest_run(held.recent.faults_in_a_row, faulted)
    return _Tally(applied, longest, last)


def _lane_leaps(record: Record, event: Event) -> DeadLetter:
    reason = (
        f"header ce_sequence: {event.sequence} lies more than {offsets.MAX_GAP} above what origin {event.origin} "
        "had reached in this partition"
    )
    return DeadLetter(record, reason, Cause.UNREADABLE, OURS)  # no sender numbers its events


def _set_aside(work: Work, wanted: Run) -> list[DeadLetter]:
    if not work.set_aside:
        return []
    reasons = {id(event): reason for event, reason in work.set_aside}
    return [
        DeadLetter(record, reasons[id(event)], Cause.SET_ASIDE, source_of(event))
        for record, event in wanted
        if id(event) in reasons
    ]


def _is_blocked(record: Record, event: Event) -> DeadLetter:
    source = source_of(event)
    return DeadLetter(record, f"its source {source} is blocked", Cause.REFUSED, source)


def _last(letters: Sequence[DeadLetter], cause: Cause | None = None) -> str:
    return next(f"the last: {one.reason}" for one in reversed(letters) if cause in (None, one.cause))


def _blocked(
    source: str, refused: Mapping[tuple[str, Cause], int], letters: Sequence[DeadLetter], now: datetime
) -> BlockedSource:
    """Returns the row that says why a source is blocked: its most frequent cause, and the last reason."""
    causes = {cause: count for (name, cause), count in refused.items() if name == source}
    reason = next((one.reason for one in reversed(letters) if one.source == source), "")
    return BlockedSource(source, now, max(causes, key=causes.__getitem__), reason_text(reason), sum(causes.values()))


def _tell(newly: Sequence[BlockedSource]) -> None:
    for one in newly:
        log.error("consumer.source_blocked", source=one.source, cause=one.cause, refused=one.refused)
