"""Giving way: when another transaction wants the same rows, the one that can wait tries again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from shared.database.database import sqlstate
from shared.errors import TryAgain

PAUSES_SECONDS: Final = (0.1, 0.2, 0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0)
TRANSACTION_ROLLBACK: Final = "40"  # SQLSTATE class: a deadlock, or two that can't both be
LOCK_NOT_AVAILABLE: Final = "55P03"

_T = TypeVar("_T")


def came_second(error: BaseException) -> bool:
    """Returns whether somebody else's transaction was in the way, so that the same will succeed later."""
    if isinstance(error, DBAPIError):
        state = sqlstate(error)
        return state.startswith(TRANSACTION_ROLLBACK) or state == LOCK_NOT_AVAILABLE
    return isinstance(error, TryAgain)


async def patiently(
    attempt: Callable[[], Awaitable[_T]], *, between: Callable[[], Awaitable[None]] | None = None
) -> _T:
    """Runs a transaction, again while somebody else's is in its way; raises the last error in the end.

    `between` is done before each attempt but the first, after its pause.
    """
    for pause in PAUSES_SECONDS:
        try:
            return await attempt()
        except (DBAPIError, TryAgain) as error:
            if not came_second(error):
                raise
        await asyncio.sleep(pause)
        if between is not None:
            await between()
    return await attempt()
