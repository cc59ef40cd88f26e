"""The loops beside the consumer: time passes, changed programmes take effect, the base is scored; never ahead of the
log.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from services.segment.service import housekeeping, memberships, rereading, scores, tag_rules, timers
from services.segment.service.programmes.rollout import roll_out
from shared.database.database import DATABASE_AWAY, Database, Work
from shared.history import History, HistoryAway, HistoryRefused, ProfileAddress, reading_history
from shared.kafka.consumer.consumer import Consumer
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger
from shared.service.loops import AT_ONCE, Idleness, repeat

log: Final = get_logger(__name__)

PAUSE_SECONDS: Final = 1.0  # what passes by time alone may be this late…
HOUSEKEEPING_EVERY: Final = timedelta(hours=1)
HOUSEKEEPING_PAUSE_SECONDS: Final = 30.0  # a loop that ticks more rarely is taken for dead
IDLE_PAUSE_SECONDS: Final = 2.0  # …or this, once nothing has passed for a while
ROLLOUT_PAUSE_SECONDS: Final = 5.0  # a changed programme may begin to take effect this late
REREADS_PAUSE_SECONDS: Final = 2.0
SCORES_PAUSE_SECONDS: Final = 20.0  # between two looks at whether cut points are due
TOO_FEW_PAUSE: Final = timedelta(minutes=1)  # to the next count of a base that was too small


class Backfills:
    """Looks at the whole base by definitions that went live, ends those that were archived, then follows new rules of
    tags; a part at a time.
    """

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
            found = (
                await memberships.backfill(work)
                or await memberships.end_archived(work)
                or await tag_rules.backfill(work)
            )
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


class Rereads:
    """Reads customers anew who were split, one at a time, from the history that profile serves."""

    def __init__(self, database: Database, profile: ProfileAddress | None, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._profile = profile
        self._tick = tick

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._look,
            stop,
            waits_for=(DBAPIError, *DATABASE_AWAY),
            waiting="rereads.wait",
            back_off_seconds=PAUSE_SECONDS,
            tick=self._tick,
        )

    async def _look(self) -> float:
        async with self._database.work() as work:
            row = await rereading.claim(work)
        if row is None:
            return REREADS_PAUSE_SECONDS
        try:
            if self._profile is None:
                raise HistoryRefused("PROFILE_URL and PROFILE_TOKEN are not set")
            async with reading_history(self._profile) as history:
                await self._read(row, history)
        except (HistoryAway, HistoryRefused) as error:
            log.warning("rereads.wait", profile_id=str(row.profile_id), why=str(error))
            async with self._database.work() as work:
                await rereading.put_off(work, row)
        return AT_ONCE

    async def _read(self, row: rereading.Reread, history: History) -> None:
        if not row.ends:
            ends = await history.ends()
            async with self._database.work() as work:
                await rereading.note_ends(work, row, ends)
            return
        async with self._database.work() as work:
            goes_on = await rereading.has_read(work, row) and await rereading.begin(work, row)
        if not goes_on:
            return
        async with aclosing(history.of_customer(row.profile_id)) as parts:
            async for events in parts:
                self._tick()
                async with self._database.work() as work:
                    if not await rereading.take(work, row, events):
                        return
        async with self._database.work() as work:
            await rereading.finish(work, row)


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


class Reader(Protocol):
    """Whoever knows how far the log has been read; None if nobody does yet."""

    async def read_until(self, work: Work) -> datetime | None:
        """Returns the moment up to which everything has been read."""


class Scoring:
    """Takes the base's cut points when they are due, and scores customers by them, a chunk a transaction."""

    def __init__(self, database: Database, consumer: Reader, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._consumer = consumer
        self._tick = tick
        self._up_to_date_to: UUID | None = scores.NOBODY
        self._too_few_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._step,
            stop,
            waits_for=(DBAPIError, *DATABASE_AWAY),
            waiting="scoring.wait",
            back_off_seconds=PAUSE_SECONDS,
            tick=self._tick,
        )

    async def _step(self) -> float:
        """Goes on with what is under way; else, when a version is due, first looks for rows without values."""
        async with self._database.work() as work:
            read_until = await self._consumer.read_until(work)
            if read_until is None:
                return SCORES_PAUSE_SECONDS
            now = min(work.now, read_until)
            if await scores.apply(work, now) is not None:
                return AT_ONCE
            if self._too_few_at is not None and now < self._too_few_at + TOO_FEW_PAUSE:
                return SCORES_PAUSE_SECONDS
            if not await scores.is_due(work, now):
                return SCORES_PAUSE_SECONDS
            if self._up_to_date_to is not None:
                self._up_to_date_to = await scores.bring_up_to_date(work, self._up_to_date_to)
                return AT_ONCE
            self._up_to_date_to = scores.NOBODY
            taken = await scores.take(work, now) is not None
            self._too_few_at = None if taken else now
            return AT_ONCE if taken else SCORES_PAUSE_SECONDS


class Rollouts:
    """Looks at everybody by a changed programme, once all that happened before it took effect has been read."""

    def __init__(self, database: Database, consumer: Reader, *, tick: Callable[[], None]) -> None:
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
