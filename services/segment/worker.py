"""The loops that let time pass, and changed programmes take effect, never ahead of the log."""

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError

from services.segment.service import standings
from services.segment.service.programmes.rollout import roll_out
from shared.database.database import DATABASE_AWAY, Database
from shared.kafka.consumer.consumer import Consumer
from shared.service.failpoints import failpoint
from shared.service.loops import AT_ONCE, Idleness, repeat

PAUSE_SECONDS: Final = 1.0  # what passes by time alone may be this late…
IDLE_PAUSE_SECONDS: Final = 2.0  # …or this, once nothing has passed for a while
ROLLOUT_PAUSE_SECONDS: Final = 5.0  # a changed programme may begin to take effect this late


class Timers:
    """Flips what is due. Its `now` is the smaller of the clock and the time up to which every partition is read."""

    def __init__(self, database: Database, consumer: Consumer, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._consumer = consumer
        self._tick = tick
        self._idleness = Idleness()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._flip,
            stop,
            waits_for=(DBAPIError, *DATABASE_AWAY),
            waiting="timers.wait",
            back_off_seconds=PAUSE_SECONDS,
            tick=self._tick,
        )

    async def _flip(self) -> float:
        flipped = 0
        async with self._database.work() as work:
            read_until = await self._consumer.read_until(work)
            if read_until is not None:
                flipped = await standings.flip_due(work, min(work.now, read_until))
        self._idleness.looked(found=flipped > 0)
        if not flipped:
            return IDLE_PAUSE_SECONDS if self._idleness.idle else PAUSE_SECONDS
        failpoint("timers.after_flip")
        return AT_ONCE


class Rollouts:
    """Looks at everybody by a changed programme, once all that happened before it took effect has been read."""

    def __init__(self, database: Database, consumer: Consumer, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._consumer = consumer
        self._tick = tick

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._roll_out,
            stop,
            waits_for=(DBAPIError, *DATABASE_AWAY),
            waiting="rollouts.wait",
            back_off_seconds=PAUSE_SECONDS,
            tick=self._tick,
        )

    async def _roll_out(self) -> float:
        async with self._database.work() as work:
            read_until = await self._consumer.read_until(work)
            looked_at = 0 if read_until is None else await roll_out(work, min(work.now, read_until))
        return AT_ONCE if looked_at else ROLLOUT_PAUSE_SECONDS
