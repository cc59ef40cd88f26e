"""PostgreSQL: one engine a process, and one transaction a batch or request, committed only here."""

import re
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.database.sql import sql
from shared.database.url import connect_arguments
from shared.outbox import Outbox
from shared.service.clock import Clock

# A holder that freezes inside a transaction must lose its locks before its successor's patience ends.
SESSION: Final = {
    "idle_in_transaction_session_timeout": "10s",
    "transaction_timeout": "30s",  # for a holder frozen between two messages of one statement, which is not idle
    "tcp_user_timeout": "10s",
    "timezone": "UTC",
    "jit": "off",  # batches are many short statements; compiling them costs more than it saves
}
COMMAND_TIMEOUT_SECONDS: Final = 30
CONNECT_TIMEOUT_SECONDS: Final = 5
POOL_TIMEOUT_SECONDS: Final = 10


@dataclass(slots=True)
class Work:
    """One transaction in progress: its connection, its outbox, and the moment it decides at.

    `origin` is the partition whose batch this is; None outside a consumer. `wakes` says that some loop has work
    once this is committed; writing to the outbox says so, too. `afterwards` is called then, and only then: what is
    counted for people must have happened. `set_aside` has what a handler could not take in beside all that it could,
    each with the reason: the runtime makes dead letters of it, for which nobody is to blame.
    """

    connection: AsyncConnection
    now: datetime
    origin: int | None = None
    wakes: bool = False
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    set_aside: list[tuple[object, str]] = field(default_factory=list)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.connection)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undoes what is done inside if the block raises, and forgets what was to be called afterwards."""
        before, aside = len(self.afterwards), len(self.set_aside)
        try:
            async with self.connection.begin_nested():
                yield
        except BaseException:
            del self.afterwards[before:]
            del self.set_aside[aside:]
            raise

    def committed(self) -> None:
        """Calls what was to be called afterwards: for who has committed this."""
        for call in self.afterwards:
            call()

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """Returns all rows of a statement."""
        return list((await self.connection.execute(sql(statement), parameters)).all())

    async def row(self, statement: str, **parameters: Any) -> Any | None:
        """Returns the first row of a statement, if there is one."""
        return (await self.connection.execute(sql(statement), parameters)).first()

    async def run(self, statement: str, **parameters: Any) -> int:
        """Runs a statement; how many rows it touched."""
        return (await self.connection.execute(sql(statement), parameters)).rowcount


class Database:
    """A service's own database.

    `work()` commits when its block ends and rolls back when it raises; every listener is called after each commit
    that gave a loop of this process something to do, so that the loops need not poll.
    """

    def __init__(
        self,
        url: str,
        *,
        application: str,
        clock: Clock,
        pool_size: int = 12,
        session: Mapping[str, str] = SESSION,
        command_timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
    ) -> None:
        self._clock = clock
        self.listeners: list[Callable[[], None]] = []
        address, tls = connect_arguments(url)
        self.engine: AsyncEngine = create_async_engine(
            address,
            hide_parameters=True,  # an error's text goes to the log, and parameters are customers
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            connect_args={
                "server_settings": {**session, "application_name": application},
                "command_timeout": command_timeout_seconds,
                "timeout": CONNECT_TIMEOUT_SECONDS,
                **tls,
            },
        )
        event.listen(self.engine.sync_engine, "handle_error", _without_data)

        event.listen(self.engine.sync_engine, "connect", _read_moments_aware)
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")  # the same connections

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """Begins a transaction, at this moment of the clock."""
        async with self.engine.connect() as connection:
            async with connection.begin():
                work = Work(connection, self._clock.now())
                yield work
            work.committed()
            if work.wakes or work.outbox.touched:
                for listener in self.listeners:
                    listener()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Work]:
        """Opens a transaction of a single statement: this saves two of three round trips."""
        async with self._single.connect() as connection:
            work = Work(connection, self._clock.now())
            yield work
        work.committed()

    async def ping(self) -> None:
        """Returns if PostgreSQL answers. Raises otherwise."""
        async with self.engine.connect() as connection:
            await connection.execute(sql("SELECT 1"))

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()


_POSTGRESQL_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)
_iter_moments: Final = struct.Struct("!q").iter_unpack


def _read_moments_aware(connection: Any, _: Any) -> None:
    """Gives a connection our own codec of `timestamptz`, so that every moment comes back aware and in UTC.

    asyncpg's own takes the ends of Python's calendar for infinity, and gives those back without a zone: what compares
    them with another moment fails. It raises for what lies beyond, too; here that is the nearest end.
    """
    connection.run_async(
        lambda driver: driver.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_encode_moment, decoder=_decode_moment, format="tuple"
        )
    )


def _encode_moment(moment: datetime) -> tuple[int]:
    """Returns microseconds since 2000. Raises TypeError for a moment without a zone; asyncpg makes that a DataError."""
    since = moment - _POSTGRESQL_EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _decode_moment(value: tuple[int]) -> datetime:
    try:
        return _POSTGRESQL_EPOCH + timedelta(0, 0, value[0])  # by name it would take twice as long
    except OverflowError:
        return _LAST_MOMENT if value[0] > 0 else _FIRST_MOMENT


def moments_sent(sent: bytes) -> list[datetime]:
    """Returns the moments that `timestamptz_send` wrote, one after the other."""
    try:
        return [_POSTGRESQL_EPOCH + timedelta(0, 0, since) for (since,) in _iter_moments(sent)]
    except OverflowError:
        return [_decode_moment(one) for one in _iter_moments(sent)]


# What means "PostgreSQL is away, or the connection is": wait and try again, never blame the data.
DATABASE_AWAY: Final = (OSError, TimeoutError, PoolTimeoutError)
# Whatever PostgreSQL or the way to it may raise, for a caller that has one answer to all of it.
DATABASE_ERRORS: Final = (SQLAlchemyError, OSError, TimeoutError)
# Data exception, integrity constraint violation, program limit exceeded (a key too long for its index).
_REFUSED_CLASSES: Final = ("22", "23", "54")
# Syntax error or access rule violation; a feature that is not there; a function's own error: ours to mend.
_DEFECT_CLASSES: Final = ("42", "0A", "39", "P0", "XX")


def sqlstate(error: Exception) -> str:
    """PostgreSQL's five-character code for an error; empty when the server gave none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def refuses_data(error: Exception) -> bool:
    """Returns whether PostgreSQL refused the data itself, so that trying again would change nothing."""
    return sqlstate(error)[:2] in _REFUSED_CLASSES


def is_away(error: Exception) -> bool:
    """Returns whether PostgreSQL can't be reached, so that the same may succeed later: no refused data, no defect."""
    if isinstance(error, DBAPIError):
        return not sqlstate(error).startswith((*_REFUSED_CLASSES, *_DEFECT_CLASSES))
    return isinstance(error, DATABASE_AWAY)


# An error's text goes to the log, and what it quotes is a customer's: details and hints on lines of their own, a value
# that can't be read after a colon, an argument of a statement.
_QUOTED: Final = re.compile(r"(?<=: )[\"'\[({].*|(?<=query argument )(\$\d+).*|\n.*", re.DOTALL)


def _without_data(context: ExceptionContext) -> None:
    """Makes an error of PostgreSQL, or of the driver, say what was wrong, and not with which value."""
    found: BaseException | None = context.sqlalchemy_exception
    if found is not None:
        found.args = (text_without_data(str(found.args[0])), *found.args[1:]) if found.args else ()
    found = context.original_exception
    while found is not None:
        found.args = tuple(text_without_data(part) if isinstance(part, str) else part for part in found.args)
        for quoting in ("detail", "hint"):
            if getattr(found, quoting, None) is not None:
                setattr(found, quoting, None)
        found = found.__cause__


def text_without_data(text: str) -> str:
    """Returns the first line of an error's text without the values that it quotes."""
    return _QUOTED.sub(lambda quoted: quoted[1] or "", text)
