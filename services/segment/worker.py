"""The loop that lets time pass: claims due customers, never ahead of the log."""

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError

from services.segment.service import standings
from shared.database.database import DATABASE_AWAY, Database
from shared.kafka.consumer.consumer import Consumer
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger
from shared.service.loops import Idleness, until_set

PAUSE_SECONDS: Final = 1.0  # what passes by time alone may be this late…
IDLE_PAUSE_SECONDS: Final = 2.0  # …or this, once nothing has passed for a while

log = get_logger(__name__)


class Timers:
    """Flips what is due. Its `now` is the smaller of the clock and the time up to which every partition is read."""

    def __init__(self, database: Database, consumer: Consumer, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._consumer = consumer
        self._tick = tick
        self._idleness = Idleness()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        while not stop.is_set():
            self._tick()
            flipped = 0
            try:
                async with self._database.work() as work:
                    read_until = await self._consumer.read_until(work)
                    if read_until is not None:
                        flipped = await standings.flip_due(work, min(work.now, read_until))
                if flipped:
                    failpoint("timers.after_flip")
            except (DBAPIError, *DATABASE_AWAY) as error:
                log.warning("timers.wait", error=repr(error))
            self._idleness.looked(found=flipped > 0)
            if flipped == 0:
                await until_set(stop, seconds=IDLE_PAUSE_SECONDS if self._idleness.idle else PAUSE_SECONDS)
