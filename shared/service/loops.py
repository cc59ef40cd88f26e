"""The loop of everything that works beside requests and records: a step, a pause, and patience with what is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shared.service.logging import get_logger

log: Final = get_logger(__name__)

AT_ONCE: Final = 0.0  # seconds to pause after a step that has more to do
IDLE_SECONDS: Final = 30.0  # without work; whoever tries something out, looks at it, and tries again is not idle


async def until_set(event: asyncio.Event, *, seconds: float) -> None:
    """Returns when the event is set, after `seconds` at the latest."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def until_either(one: asyncio.Event, other: asyncio.Event, *, seconds: float) -> None:
    """Returns when one of the two events is set, after `seconds` at the latest. Nothing waits on after it."""
    async with asyncio.TaskGroup() as tasks:
        waits = [tasks.create_task(event.wait()) for event in (one, other)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def repeat(
    step: Callable[[], Awaitable[float]],
    stop: asyncio.Event,
    *,
    waits_for: tuple[type[BaseException], ...],
    waiting: str,
    back_off_seconds: float,
    tick: Callable[[], None] = lambda: None,
    wake: asyncio.Event | None = None,
) -> None:
    """Does a step again and again until `stop` is set.

    A step returns the seconds to pause after it; `stop` and `wake` end that pause early, and `wake` is cleared before
    each step. An
    error of `waits_for` is one line of the log, the event `waiting`, and a pause; any other ends the loop. `tick` is
    the loop's sign of life, before each step.
    """
    while not stop.is_set():
        tick()
        if wake is not None:
            wake.clear()
        try:
            pause = await step()
        except waits_for as error:
            log.warning(waiting, error=repr(error))
            await until_set(stop, seconds=back_off_seconds)
            continue
        if pause > AT_ONCE:
            await (until_set(stop, seconds=pause) if wake is None else until_either(stop, wake, seconds=pause))


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
