"""Consumers that get the order of offset and effects wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.database.database import Database
from shared.kafka.consumer import offsets
from shared.kafka.consumer.batch import OwnedPartition
from shared.kafka.consumer.offsets import Doubtful, Place
from shared.kafka.dead_letters import dead_letter
from shared.kafka.dead_letters.dead_letter import Record
from shared.service.failpoints import failpoint
from shared.service.process import Service
from tests.faults import tally
from tests.faults.planted.patching import patch


class _TwoTransactions:
    """Effects and offset, each in a transaction of its own."""

    def __init__(self, database: Database, *, offset_first: bool) -> None:
        self._database = database
        self._offset_first = offset_first

    async def apply(self, held: OwnedPartition, records: Sequence[Record]) -> str | None:
        """Applies a batch, and moves the offset before or after."""
        upto = records[-1].offset + 1
        if self._offset_first:
            await self._move(held, upto)
            failpoint("planted.between")
        async with self._database.work() as work:
            events = [wire.decode(one.headers, one.value) for one in records]
            seen = (await offsets.doubtful(work.connection, held.place, events)).repeated
            await tally.add(work, [event for n, event in enumerate(events) if n not in seen])
            if not self._offset_first:  # so that a second reading is not hidden by the marks
                await work.run("DELETE FROM stream_marks")
        if not self._offset_first:
            failpoint("planted.between")
            await self._move(held, upto)
        held.expected = held.stored = upto
        return None

    async def _move(self, held: OwnedPartition, upto: int) -> None:
        async with self._database.work() as work:
            await offsets.swap(
                work.connection, held.place, epoch=held.epoch, expected=held.stored, new=upto, records=0, window=1
            )


def offset_afterwards(service: Service) -> None:
    """A process that dies between the two applies the batch again."""
    assert service.consumer is not None
    service.consumer.applier = _TwoTransactions(service.database, offset_first=False)


def offset_before(service: Service) -> None:
    """A process that dies between the two never applies the batch."""
    assert service.consumer is not None
    service.consumer.applier = _TwoTransactions(service.database, offset_first=True)


def unchecked_epoch(service: Service) -> None:
    """A holder that froze applies what it had in hand though another has taken the partition."""
    assert service.consumer is not None
    service.consumer.applier = replace(service.consumer.subscription, swaps=False).batches()


def no_marks(_: Service) -> None:
    """What a relay sends again is applied again."""

    async def doubtful(connection: AsyncConnection, place: Place, events: Iterable[Event]) -> Doubtful:
        del connection, place, events
        return Doubtful()

    patch(offsets, doubtful=doubtful)


def no_letters(_: Service) -> None:
    """A refused record is passed over and gone."""

    async def write(*_: Any, **__: Any) -> None:
        return

    patch(dead_letter, write=write)
