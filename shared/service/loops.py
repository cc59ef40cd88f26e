"""What loops that look for work have in common: a wait that somebody may end early, and when to look less often."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

IDLE_SECONDS: Final = 30.0  # without work; whoever tries something out, looks at it, and tries again is not idle


async def until_set(event: asyncio.Event, *, seconds: float) -> None:
    """Returns when the event is set, after `seconds` at the latest."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


class Idleness:
    """Whether a loop has found no work for a while: `seconds`, by the clock `now`."""

    def __init__(self, *, seconds: float = IDLE_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._found_at = now()
        self.idle = False

    def looked(self, *, found: bool) -> None:
        """Notes whether the last look found any."""
        now = self._now()
        if found:
            self._found_at = now
        self.idle = now - self._found_at > self._seconds
