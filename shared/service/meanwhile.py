"""Computing while somebody else works: a call that waits is begun, and awaited after what is done beside it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

STEPS: Final = 2  # of the loop: in one the call begins, in the next what it sends leaves


@asynccontextmanager
async def meanwhile(call: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs a call to its end beside the block, which must not use what the call uses, nor wait.

    Raises what the call raises. If the block raises, the call is cancelled first.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call)
            for _ in range(STEPS):
                await asyncio.sleep(0)
            yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
