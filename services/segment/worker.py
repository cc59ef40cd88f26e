"""The loop that lets time pass: claims due customers, never ahead of the log."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from services.segment.service import housekeeping, memberships, timers
from shared.database.database import DATABASE_AWAY, Database
from shared.kafka.consumer.consumer import Consumer
from shared.service.failpoints import failpoint
from shared.service.loops import AT_ONCE, Idleness, repeat

PAUSE_SECONDS: Final = 1.0  # what passes by time alone may be this late…
HOUSEKEEPING_EVERY: Final = timedelta(hours=1)
HOUSEKEEPING_PAUSE_SECONDS: Final = 30.0  # a loop that ticks more rarely is taken for dead
IDLE_PAUSE_SECONDS: Final = 2.0  # …or this, once nothing has passed for a while


class Backfills:
    """Looks at the whole base by definitions that went live, a part at a time."""

    def __init__(self, database: Database, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._tick = tick
        self._idleness = Idleness()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._look,
            stop,
            waits_for=(DBAPIError, *DATABASE_AWAY),
            waiting="backfills.wait",
            back_off_seconds=PAUSE_SECONDS,
            tick=self._tick,
        )

    async def _look(self) -> float:
        async with self._database.work() as work:
            found = await memberships.backfill(work)
        self._idleness.looked(found=found)
        if not found:
            return IDLE_PAUSE_SECONDS if self._idleness.idle else PAUSE_SECONDS
        failpoint("backfills.after_part")
        return AT_ONCE


class Housekeeping:
    """Notes the sizes of segments once an hour, and lets what is too old go."""

    def __init__(self, database: Database, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._tick = tick
        self._sizes_due: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._keep,
            stop,
            waits_for=(DBAPIError, *DATABASE_AWAY),
            waiting="housekeeping.wait",
            back_off_seconds=PAUSE_SECONDS,
            tick=self._tick,
        )

    async def _keep(self) -> float:
        async with self._database.work() as work:
            if self._sizes_due is not None and work.now < self._sizes_due:
                return HOUSEKEEPING_PAUSE_SECONDS
            if await housekeeping.drop_archived(work) or await housekeeping.forget(work):
                return AT_ONCE
            await housekeeping.note_sizes(work)
            self._sizes_due = work.now + HOUSEKEEPING_EVERY
        return HOUSEKEEPING_PAUSE_SECONDS


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
                now = min(work.now, read_until)
                flipped = await timers.flip_due(work, now) or await memberships.flip_due(work, now)
        self._idleness.looked(found=flipped > 0)
        if not flipped:
            return IDLE_PAUSE_SECONDS if self._idleness.idle else PAUSE_SECONDS
        failpoint("timers.after_flip")
        return AT_ONCE
