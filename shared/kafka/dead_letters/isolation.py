"""Finding the record that fails. An edge like a process's own: whatever a record brings about ends here, with it.

A handler may meet any error by what a stranger wrote, and also by our own mistake. While it is not known of which
record it comes, a run of records is undone and halved; what fails alone is a dead letter. Only errors of the
surroundings are let through: a database or a broker that is away, a concurrent writer, a cancelled task. They say
nothing of the record, and it is read again.
"""

import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.contracts.events import Body
from shared.database.database import DATABASE_AWAY, Work, refuses_data, sqlstate
from shared.errors import Refused, TryAgain
from shared.kafka.dead_letters.dead_letter import DeadLetter, Record
from shared.kafka.dead_letters.sources import UNKNOWN, Cause, source_in, source_of
from shared.kafka.failures import CLOSED
from shared.kafka.producer import BrokerAway
from shared.service.logging import get_logger

Handler = Callable[[Work, Sequence[Event]], Awaitable[None]]
Handlers = Mapping[type[Body], Handler]
Run = Sequence[tuple[Record, Event]]

SURROUNDINGS: Final = (TryAgain, BrokerAway, KafkaError, MemoryError, *DATABASE_AWAY)
CARDINALITY_VIOLATION: Final = "21"  # SQLSTATE class: one statement was to write one row twice

log = get_logger(__name__)


class Failed(Exception):
    """Some record of a run can't be applied; the message says why."""

    def __init__(self, reason: str, cause: Cause, *, unattributed: bool = False) -> None:
        super().__init__(reason)
        self.cause = cause
        self.unattributed = unattributed


def read(decode: wire.Decode, record: Record) -> Event | DeadLetter:
    """Returns the event in a record, or the letter that the record becomes. Raises only `wire.NewerThanCode`."""
    try:
        return decode(record.headers, record.value)
    except wire.NewerThanCode:
        raise
    except wire.Undecodable as error:
        reason, cause = str(error), Cause.UNREADABLE
    except Exception as error:  # noqa: BLE001 # the record's edge
        reason, cause = _described(error), Cause.FAULT
    return DeadLetter(record, reason, cause, source_in(record.headers))


async def attempt(handler: Handler, work: Work, events: Sequence[Event]) -> None:
    """Applies events. Raises `Failed` if they, or one of them, can't be; an error of the surroundings as it is."""
    try:
        await handler(work, events)
    except Exception as error:
        failed = _failed(error)
        if failed is None:
            raise
        raise failed from error


async def apply_carefully(work: Work, handler: Handler, run: Run, letters: list[DeadLetter]) -> None:
    """Applies a run of events as `apply_halving` does; the letters of those that fail are added."""
    events = [event for _, event in run]
    await apply_halving(work, handler, events, lambda n, failed: letters.append(_letter(*run[n], failed)))


async def apply_halving(
    work: Work,
    handler: Handler,
    events: Sequence[Event],
    on_failed: Callable[[int, Failed], None],
    *,
    first: int = 0,
) -> None:
    """Applies events under a savepoint, halving them to find those that fail: `on_failed` gets the number of each.

    The events' numbers begin at `first`.
    """
    try:
        async with work.savepoint():
            await attempt(handler, work, events)
        return
    except Failed as failed:
        if failed.cause is Cause.FAULT:
            await _check_connection(work)
        if len(events) == 1:
            on_failed(first, failed)
            return
    half = len(events) // 2
    await apply_halving(work, handler, events[:half], on_failed, first=first)
    await apply_halving(work, handler, events[half:], on_failed, first=first + half)


def _failed(error: Exception) -> Failed | None:
    """Returns what an error says of the records; None if it is one of the surroundings."""
    match error:
        case Refused():
            return Failed(str(error), Cause.REFUSED, unattributed=error.unattributed)
        case DBAPIError():
            says_so = refuses_data(error) or sqlstate(error).startswith(CARDINALITY_VIOLATION)
            return Failed(str(error.orig), Cause.REFUSED) if says_so else None
        case RuntimeError() if CLOSED in str(error):  # uvloop's word for a connection that was reset
            return None
        case SQLAlchemyError() if not isinstance(error, StatementError):
            return None
        case ExceptionGroup():
            found = [_failed(one) for one in error.exceptions if isinstance(one, Exception)]
            return None if None in found else found[0]
    return None if isinstance(error, SURROUNDINGS) else Failed(_described(error), Cause.FAULT)


async def _check_connection(work: Work) -> None:
    """Raises `TryAgain` if the connection is broken: then an error that nobody foresaw may come of that."""
    try:
        await work.row("SELECT 1")
    except SQLAlchemyError as error:
        raise TryAgain("the connection broke") from error


def _letter(record: Record, event: Event, failed: Failed) -> DeadLetter:
    source = UNKNOWN if failed.unattributed else source_of(event)
    if failed.cause is Cause.FAULT:
        # Not the reason itself, which may quote the record.
        error = type(failed.__cause__).__name__
        log.error("consumer.record_failed", offset=record.offset, type=type(event.body).__name__, error=error)
    return DeadLetter(record, str(failed), failed.cause, source)


def _described(error: BaseException) -> str:
    """Returns an error with the line that raised it: a letter's reason is all that is left of it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({'/'.join(frames[-1].filename.rsplit('/', 3)[1:])}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
