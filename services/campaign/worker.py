"""The sender; the walker, which moves runs of journeys that are due; the broadcaster, which makes messages.

The sender claims due messages, hands each to its channel outside any transaction, and notes the answer.

Guarantee: no message is handed over twice. Each is marked `sending` and committed before its provider is asked, and
leaves that state for `pending` only on the word of the provider that it was not taken. A sender that dies meanwhile
leaves `sending` behind, which becomes `unknown` when its lease is over (`SENDER_LEASE_SECONDS`). One that lives and
lost only PostgreSQL's answer leaves nothing behind: what it never handed over it puts back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, Protocol
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError

from services.campaign.channels import Channel
from services.campaign.domain.delivery import Message, Reply, kind
from services.campaign.service import broadcasts, confirming, copies, dates, running, sending
from services.campaign.service.confirming import Asking
from services.campaign.service.rules import Rules
from services.campaign.service.sending import Outgoing
from shared.database.database import DATABASE_AWAY, Database, Work
from shared.service import metrics
from shared.service.clock import Clock
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger
from shared.service.loops import AT_ONCE, Idleness, repeat

POLL_SECONDS: Final = 1.0  # for what falls due by itself, and what other processes enter
IDLE_POLL_SECONDS: Final = 2.0  # the same once nothing has been due for a while
LOST_SECONDS: Final = 5  # how often leftovers of dead senders are looked for
BACKOFF_SECONDS: Final = 1.0
HOUSEKEEPING_SECONDS: Final = 30.0  # between looks for what has expired: a loop that ticks less often is taken for dead

_AWAY: Final = (SQLAlchemyError, *DATABASE_AWAY)

log = get_logger(__name__)


class _ToDo(NamedTuple):
    """How many due messages and requests were decided on, and what of them may leave."""

    decided: int
    outgoing: Sequence[Outgoing | Asking]


class Sender:
    """Sends until stopped, at most `concurrency` messages at a time. Any number of senders may run.

    Nothing is claimed while `compared` says that nobody could tell yet whether the database was rewound.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Mapping[str, Channel],
        rules: Rules,
        *,
        concurrency: int,
        compared: Callable[[], bool],
        tick: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._rules = rules
        self._concurrency = concurrency
        self._compared = compared
        self._tick = tick
        self._wake = asyncio.Event()
        self._idleness = Idleness()
        self._in_flight = 0
        self._looked = float("-inf")
        self._doubtful: dict[UUID, float] = {}  # claims whose COMMIT got no answer; until when it may still take effect

    def wake(self) -> None:
        """Looks for due messages now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until `stop` is set, then waits for the answers that are still to come."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await repeat(
                    partial(self._send_due, tasks),
                    stop,
                    waits_for=_AWAY,
                    waiting="sender.waits_for_postgresql",
                    back_off_seconds=BACKOFF_SECONDS,
                    tick=self._tick,
                    wake=self._wake,
                )
        finally:
            for channel in self._channels.values():
                await channel.close()

    async def _send_due(self, tasks: asyncio.TaskGroup) -> float:
        await self._put_back()
        await self._give_up_lost()
        claimed = await self._claim()
        if claimed.outgoing:
            failpoint("sender.after_claim")
        for outgoing in claimed.outgoing:
            self._in_flight += 1
            tasks.create_task(self._deliver(outgoing))
        self._idleness.looked(found=claimed.decided > 0)
        if claimed.decided:
            return AT_ONCE
        return IDLE_POLL_SECONDS if self._idleness.idle else POLL_SECONDS

    async def _claim(self) -> _ToDo:
        free = self._concurrency - self._in_flight
        compared = self._compared()
        metrics.sending_paused.labels("offsets_unread").set(not compared)
        if free == 0 or not compared:
            return _ToDo(0, [])
        claim_id = uuid4()
        try:
            async with self._database.work() as work:
                claimed = await sending.claim(work, self._rules, claim_id=claim_id, limit=free)
                left = free - len(claimed.outgoing)
                decided, asking = 0, list[Asking]()
                if left:
                    decided, asking = await confirming.claim(work, self._rules, claim_id=claim_id, limit=left)
                return _ToDo(claimed.decided + decided, [*claimed.outgoing, *asking])
        except _AWAY:
            self._doubtful[claim_id] = asyncio.get_running_loop().time() + self._rules.lease.total_seconds()
            raise

    async def _put_back(self) -> None:
        """Puts back what was marked by claims that may have committed and were never answered: nobody has it in hand.

        A COMMIT can take effect after its connection was given up, so that looking once is not enough.
        """
        if not self._doubtful:
            return
        async with self._database.work() as work:
            messages = await sending.put_back(work, self._doubtful)
            messages += await confirming.put_back(work, self._doubtful)
        now = asyncio.get_running_loop().time()
        self._doubtful = {claim_id: until for claim_id, until in self._doubtful.items() if until > now}
        if messages:
            log.warning("sender.took_back", messages=messages)

    async def _give_up_lost(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked < LOST_SECONDS:
            return
        self._looked = now
        async with self._database.work() as work:
            lost = await sending.give_up_lost(work, self._rules)
            lost += await confirming.give_up_lost(work, self._rules)
        if lost:
            failpoint("sender.after_give_up")
            log.error("sender.unknown", messages=lost)

    async def _deliver(self, outgoing: Outgoing | Asking) -> None:
        try:
            reply = await self._channels[outgoing.channel].send(outgoing.handover)
            metrics.provider_replies.labels(outgoing.channel, kind(reply)).inc()
            await self._settle(outgoing, reply)
        finally:
            self._in_flight -= 1
            self._wake.set()

    async def _settle(self, outgoing: Outgoing | Asking, reply: Reply) -> None:
        """Notes the answer, trying again while PostgreSQL is away: forgotten, it would be `unknown` for ever."""
        replied_at = self._clock.now()
        deadline = asyncio.get_running_loop().time() + self._rules.lease.total_seconds()
        while True:
            try:
                async with self._database.work() as work:
                    if isinstance(outgoing, Asking):
                        await confirming.settle(work, outgoing, reply, replied_at=replied_at)
                    else:
                        await sending.settle(work, self._rules, outgoing, reply, replied_at=replied_at)
                failpoint("sender.after_settle")
                return
            except _AWAY as error:
                log.warning("sender.waits_for_postgresql", error=repr(error))
                if asyncio.get_running_loop().time() > deadline:
                    return
                await asyncio.sleep(BACKOFF_SECONDS)


class Broadcaster:
    """Starts broadcasts that are due, and makes messages of running ones, a page a transaction, until stopped."""

    def __init__(self, database: Database, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._tick = tick
        self._wake = asyncio.Event()
        self._idleness = Idleness()

    def wake(self) -> None:
        """Looks for broadcasts now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._step,
            stop,
            waits_for=_AWAY,
            waiting="broadcaster.waits_for_postgresql",
            back_off_seconds=BACKOFF_SECONDS,
            tick=self._tick,
            wake=self._wake,
        )

    async def _step(self) -> float:
        async with self._database.work() as work:
            more = await broadcasts.step(work)
        if more:
            failpoint("broadcaster.after_page")
        self._idleness.looked(found=more)
        if more:
            return AT_ONCE
        return IDLE_POLL_SECONDS if self._idleness.idle else POLL_SECONDS


async def send_once(make: Callable[[], Channel], message: Message) -> Reply:
    """Hands one mail over by a channel of its own, and returns the answer: for tests to the staff."""
    channel = make()
    try:
        return await channel.send(message)
    finally:
        await channel.close()


class Reader(Protocol):
    """Whoever knows how far the log has been read; None if nobody does yet."""

    async def read_until(self, work: Work) -> datetime | None:
        """Returns the moment up to which everything has been read."""


class Walker:
    """Moves runs that are due, a batch a transaction, until stopped. Any number of walkers may run.

    Time-outs never run ahead of the log: an event that has not been read yet may be what a run waits for. What became
    of a message moves its run at once.
    """

    def __init__(
        self, database: Database, reader: Reader, partition_secret: bytes, *, tick: Callable[[], None]
    ) -> None:
        self._database = database
        self._reader = reader
        self._partition_secret = partition_secret
        self._tick = tick
        self._wake = asyncio.Event()
        self._idleness = Idleness()

    def wake(self) -> None:
        """Looks for due runs now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._move_due,
            stop,
            waits_for=_AWAY,
            waiting="walker.waits_for_postgresql",
            back_off_seconds=BACKOFF_SECONDS,
            tick=self._tick,
            wake=self._wake,
        )

    async def _move_due(self) -> float:
        async with self._database.work() as work:
            read_until = await self._reader.read_until(work)
            until = read_until and min(work.now, read_until)
            moved = await running.move_due(work, until=until, partition_secret=self._partition_secret)
            if until is not None:
                moved += await dates.reach_due(work, until, partition_secret=self._partition_secret)
            moved += await dates.backfill(work)
        if moved:
            failpoint("walker.after_move")
        self._idleness.looked(found=moved > 0)
        if moved:
            return AT_ONCE
        return IDLE_POLL_SECONDS if self._idleness.idle else POLL_SECONDS


class Housekeeper:
    """Deletes what has expired, a batch a transaction, until stopped. Any number of housekeepers may run."""

    def __init__(self, database: Database, *, tick: Callable[[], None]) -> None:
        self._database = database
        self._tick = tick

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        await repeat(
            self._delete_expired,
            stop,
            waits_for=_AWAY,
            waiting="housekeeper.waits_for_postgresql",
            back_off_seconds=BACKOFF_SECONDS,
            tick=self._tick,
        )

    async def _delete_expired(self) -> float:
        async with self._database.work() as work:
            deleted = await copies.delete_expired(work)
        return AT_ONCE if deleted else HOUSEKEEPING_SECONDS
