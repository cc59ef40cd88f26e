"""A rebuild gives way to the running service: when both want the same rows, the rebuild tries again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from shared.database.database import sqlstate

PAUSES_SECONDS: Final = (0.1, 0.2, 0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0)
SECOND: Final = ("40P01", "40001", "55P03")  # deadlock, serialization failure, lock not available

_T = TypeVar("_T")


def came_second(error: DBAPIError) -> bool:
    """Whether somebody else's transaction was in the way, so that the same will succeed later."""
    return sqlstate(error) in SECOND


async def patiently(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Runs a transaction, again while somebody else's is in its way; raises the last error in the end."""
    for pause in PAUSES_SECONDS:
        try:
            return await attempt()
        except DBAPIError as error:
            if not came_second(error):
                raise
        await asyncio.sleep(pause)
    return await attempt()
