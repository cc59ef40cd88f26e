"""Applying small batches of several partitions in one transaction: each alone would cost nearly as much as all of them.

Nothing else changes: every partition's offset is swapped where its epoch and expected offset match, so either all of
these batches are committed by their holder, or none is. Whatever needs a partition's own transaction is left to it:
records that are refused or set aside, sources that are blocked, a holder who lost one of the partitions.
"""

import itertools
from collections.abc import Sequence

from shared.contracts.envelope import Event
from shared.kafka.consumer import several
from shared.kafka.consumer.batch import Batches, OwnedPartition, PartitionLost, Read, tally, trace_of
from shared.kafka.dead_letters import breaker, isolation
from shared.kafka.dead_letters.dead_letter import Record
from shared.kafka.dead_letters.isolation import Failed
from shared.service import metrics
from shared.service.failpoints import failpoint
from shared.service.logging import trace_id

Part = tuple[OwnedPartition, Sequence[Record]]
_One = tuple[OwnedPartition, Read, Sequence[Record]]


class _EachAlone(Exception):
    """Something in one of the batches needs a transaction of its own."""


async def apply_together(batches: Batches, parts: Sequence[Part]) -> bool:
    """Applies a batch of each of several partitions of one topic, and moves all of these.

    Returns False if that can't be done at once: then nothing was done, and each is to be applied alone.
    """
    read = [(held, batches.read(records), records) for held, records in parts]
    if not batches.swaps or any(one.letters or one.newer or one.upto is None for _, one, _ in read):
        return False
    if not any(type(event.body) in batches.handlers for _, one, _ in read for _, event in one.events):
        return False  # what has no handler is passed over without a transaction
    try:
        repeated = await _transact(batches, read)
    except (_EachAlone, Failed, PartitionLost):
        return False
    failpoint("together.after_commit")
    for held, one, records in read:
        wanted = [
            pair
            for n, pair in enumerate(one.events)
            if n not in repeated[held.place.partition] and type(pair[1].body) in batches.handlers
        ]
        held.expected = held.stored = one.upto or held.expected
        held.last_record_at = records[-1].produced_at or held.last_record_at
        found = tally(held, wanted, ())
        held.recent.note(found.applied, found.faults_in_a_row)
        again, topic = len(repeated[held.place.partition]), held.place.topic
        metrics.records.labels(topic, "duplicate").inc(again)
        metrics.records.labels(topic, "applied").inc(len(wanted))
        metrics.records.labels(topic, "unhandled").inc(len(one.events) - again - len(wanted))
    return True


async def _transact(batches: Batches, read: Sequence[_One]) -> dict[int, frozenset[int]]:
    """Returns, by partition, the positions of events that were seen before."""
    topic = read[0][0].place.topic
    async with batches.database.work() as work:
        swaps = [
            several.Swap(held.place, held.epoch, held.stored, one.upto or 0, len(one.events)) for held, one, _ in read
        ]
        blocked = await several.swap(work.connection, swaps, window=breaker.WINDOW)
        if blocked is None:
            raise PartitionLost
        if blocked:
            raise _EachAlone
        doubtful = await several.doubtful(
            work.connection, topic, {held.place.partition: [event for _, event in one.events] for held, one, _ in read}
        )
        if any(one.implausible for one in doubtful.values()):
            raise _EachAlone
        wanted: list[Event] = []
        for held, one, _ in read:
            seen = doubtful[held.place.partition].repeated
            wanted += [
                event
                for n, (_, event) in enumerate(one.events)
                if n not in seen and type(event.body) in batches.handlers
            ]
        for handler, run in itertools.groupby(wanted, key=lambda event: batches.handlers[type(event.body)]):
            events = list(run)
            trace_id.set(trace_of(events[0]))
            await isolation.attempt(handler, work, events)
        if work.set_aside:
            raise _EachAlone
        failpoint("together.after_effects")
    return {held.place.partition: doubtful[held.place.partition].repeated for held, _, _ in read}
