"""Rebuilding what a service derives from topics.

The shadow is filled from the beginning of the log up to the offsets that the running service has committed, again
and again until little is left; then, while the service's batches wait, the rest is read and the difference between
shadow and service is written, in one transaction. So the service misses nothing and takes nothing in twice, and a
rebuild that dies at any moment has changed nothing or everything.

With profile's history the log need not be whole. As of one moment the service's offsets and its marks are noted: how
far it has come in each lane. The history gives the shadow what lies up to those marks, and the log what lies after
those offsets; the shadow then has marks of its own, by which it skips what it has.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Final

from sqlalchemy.exc import DBAPIError

from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.history import SHORT_NAMES, Position
from shared.database.database import Database, Work
from shared.database.patience import came_second, patiently
from shared.history import History
from shared.kafka.consumer import offsets
from shared.kafka.consumer.batch import Handlers
from shared.kafka.consumer.offsets import Marks, Place
from shared.kafka.dead_letters import dead_letter, decisions, isolation
from shared.kafka.dead_letters.decisions import Verdict
from shared.kafka.dead_letters.isolation import Failed
from shared.kafka.dead_letters.sources import Cause
from shared.kafka.log import LogReader, Part
from shared.outbox import NullOutbox
from shared.rebuild import shadow
from shared.service.failpoints import failpoint

SMALL: Final = 1000  # records that may be left for the cut-over, during which the service's batches wait
OF_HISTORY: Final = (topics.PROFILE_EVENTS, topics.PROFILES)  # what profile's history has, too

Hook = Callable[[Work], Awaitable[None]]
Report = Callable[[int, int], None]


class NotPossible(Exception):
    """The record does not hold what a rebuild needs; nothing was changed."""


async def nothing(work: Work) -> None:
    """Does nothing: a hook for a service that needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a service's rebuild refills, and from what.

    `tables` are filled through `handlers` from `topics`, up to where the service has read them, and from `own_topics`,
    what the service itself published and is about to. In `handlers` nothing may be written but `tables` and what
    `prepare` made. `settle` may run at any time; `finish` once, in the cut-over, with the service's own outbox.
    """

    service: str
    tables: Sequence[str]
    topics: Sequence[str]
    handlers: Handlers
    own_topics: Sequence[str] = ()
    prepare: Hook = nothing
    settle: Hook = nothing
    finish: Hook = nothing


@dataclass(slots=True)
class Rebuild:
    """One rebuild. `partial` begins with what the tables hold and adds what the log still has.

    With `history`, what profile's history has of the topics is read from there.
    """

    plan: Plan
    database: Database
    log: LogReader
    generation: int
    partial: bool
    report: Report
    history: History | None = None
    _marks: Marks = field(default_factory=dict)
    _reached: dict[Place, int] = field(default_factory=dict)
    _letters: Mapping[str, decisions.Decision] = field(default_factory=dict)

    async def run(self) -> Mapping[str, int]:
        """Returns how many rows of each table were not as they should be. Raises `NotPossible`."""
        await self._begin()
        async with self.database.work() as work:
            await shadow.make(work, self.plan.tables, filled=self.partial)
            await self.plan.prepare(work)
        failpoint("rebuild.after_shadow")
        if self.history is not None:
            await self._read_history(self.history)
        await self._catch_up(at_most=0)
        await self._read_own_topics()
        async with self.database.work() as work:
            await shadow.analyze(work, self.plan.tables)
            await self.plan.settle(work)
        changed = await self._cut_over()
        failpoint("rebuild.after_cut_over")
        async with self.database.work() as work:
            await shadow.drop(work)
        return changed

    async def _begin(self) -> None:
        """Makes sure that all that is needed is there, and notes where the log is to be read from."""
        of_log = [one for one in self.plan.topics if self.history is None or one not in OF_HISTORY]
        async with self.database.work() as work:
            await work.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # offsets and marks as of one moment
            elsewhere = await offsets.read_elsewhere(
                work.connection, of_log, cluster_id=self.log.cluster_id, generation=self.generation
            )
            targets = await self._targets(work)
            self._letters = await decisions.every(work)
            if self.history is not None:
                self._marks = await offsets.marks(work.connection, topics.PROFILE_EVENTS)
        if not targets and not self._marks:
            raise NotPossible(f"{self.plan.service} has read nothing of this log yet")
        begin = {place: end for place, end in targets.items() if place.topic not in of_log}
        whole = await self.log.beginnings([place for place in targets if place.topic in of_log])
        own = await self.log.beginnings(self._own_places())
        if (why := why_not_whole(whole | ({} if self.history else own), elsewhere)) and not self.partial:
            raise NotPossible(f"{why}; --partial keeps what is there, and adds what the log still has")
        self._reached = begin | whole | own

    async def _read_history(self, history: History) -> None:
        """Fills the shadow up to where the service was when this began.

        Profiles come last: of merges between two looks at the timeline one may still be missing in the first.
        """
        wanted = [body for body in self.plan.handlers if body in SHORT_NAMES.values()]
        done = 0
        for partition in range(topics.PARTITIONS):
            known = Position(self._marks.get(partition, {}))
            async with aclosing(history.events(partition, types=wanted)) as parts:
                async for part in parts:
                    await self._take_history([one for one in part.events if one.origin is None or known.has(one)])
                    done += len(part.events)
                    self.report(done, done)
        async with aclosing(history.profiles()) as parts_of_profiles:
            async for standing in parts_of_profiles:
                await self._take_history(standing.events)
                done += len(standing.events)
                self.report(done, done)
        async with self.database.work() as work:
            await offsets.put_marks(work.connection, topics.PROFILE_EVENTS, self._marks)

    async def _take_history(self, events: Sequence[Event]) -> None:
        if events:
            async with self.database.work() as work:
                work.outbox = NullOutbox(work.connection)
                await self._apply(work, events)
            _after_batch()

    def _own_places(self) -> list[Place]:
        return [
            Place(self.log.cluster_id, self.generation, topic, number)
            for topic in self.plan.own_topics
            for number in range(topics.PARTITIONS)
        ]

    async def _targets(self, work: Work) -> dict[Place, int]:
        """How far the service has read."""
        return await offsets.committed(
            work.connection, self.plan.topics, cluster_id=self.log.cluster_id, generation=self.generation
        )

    async def _known_targets(self, work: Work) -> dict[Place, int]:
        """How far the service has read, by now also of partitions that it has taken for the first time since."""
        targets = await self._targets(work)
        if new := targets.keys() - self._reached.keys():
            self._reached |= await self.log.beginnings(new)
        return targets

    async def _catch_up(self, *, at_most: int) -> None:
        """Reads until no more than so many records are left to where the service is."""
        while True:
            async with self.database.work() as work:
                targets = await self._known_targets(work)
            left = sum(max(0, end - self._reached[place]) for place, end in targets.items())
            if left <= at_most:
                return
            await self._read(targets, left)
            at_most = SMALL

    async def _read_own_topics(self) -> None:
        places = self._own_places()
        if places:
            await self._read(dict.fromkeys(places), 0)

    async def _read(self, targets: Mapping[Place, int | None], total: int) -> None:
        done = 0
        async for part in self.log.upto(self._reached, targets):
            if part.records:
                async with self.database.work() as work:
                    work.outbox = NullOutbox(work.connection)
                    await self._apply_part(work, part)
                _after_batch()
            done += part.next_offset - self._reached[part.place]
            self._reached[part.place] = part.next_offset
            self.report(done, max(done, total))

    async def _cut_over(self) -> Mapping[str, int]:
        try:
            return await patiently(self._try_cut_over, between=partial(self._catch_up, at_most=SMALL))
        except DBAPIError as error:
            if came_second(error):
                raise NotPossible("the service is too busy: its tables could not be held for a moment") from error
            raise

    async def _try_cut_over(self) -> Mapping[str, int]:
        async with self.database.work() as work:
            outbox, work.outbox = work.outbox, NullOutbox(work.connection)
            await shadow.hold(work, self.plan.tables)
            await self._no_letter_was_applied_meanwhile(work)
            # What is read here counts only if this transaction commits: `_reached` stays.
            async for part in self.log.upto(self._reached, await self._known_targets(work)):
                await self._apply_part(work, part)
            for topic in self.plan.own_topics:
                await self._apply(work, await work.outbox.waiting(topic))
            # After the outbox: what has left it since its topic was read is in the topic now.
            async for part in self.log.upto(self._reached, dict.fromkeys(self._own_places())):
                await self._apply_part(work, part)
            work.outbox = outbox
            await self.plan.finish(work)
            return {table: await shadow.exchange(work, table) for table in self.plan.tables}

    async def _no_letter_was_applied_meanwhile(self, work: Work) -> None:
        now = await decisions.every(work)
        if _applied(now) != _applied(self._letters):
            raise NotPossible("a dead letter was retried meanwhile: begin again")

    async def _apply_part(self, work: Work, part: Part) -> None:
        """Applies records as the consumer does: no repeats, and none that is a dead letter."""
        work.origin = part.place.partition
        events: list[tuple[str, Event]] = []
        for record in part.records:
            name = dead_letter.place_text(part.place, record.offset)
            try:
                found = isolation.read(wire.decode, record)
            except wire.NewerThanCode as error:
                raise NotPossible(f"{name} is {error}, which this release does not know: upgrade it") from error
            if isinstance(found, Event):
                events.append((name, found))
        doubtful = await offsets.doubtful(work.connection, part.place, (event for _, event in events))
        passed_over = doubtful.repeated | doubtful.implausible
        dead = self._letters.keys() - _applied(self._letters)
        await self._apply(
            work, [event for n, (name, event) in enumerate(events) if n not in passed_over and name not in dead]
        )

    async def _apply(self, work: Work, events: Sequence[Event]) -> None:
        handlers = self.plan.handlers
        wanted = [event for event in events if type(event.body) in handlers]
        for handler, run in groupby(wanted, key=lambda event: handlers[type(event.body)]):
            await isolation.apply_halving(work, handler, list(run), _pass_over)


def _after_batch() -> None:
    failpoint("rebuild.after_batch")


def _pass_over(_: int, failed: Failed) -> None:
    """What the service refused is refused again; what it did not is a reason to stop."""
    if failed.cause is not Cause.REFUSED:
        raise failed


def _applied(letters: Mapping[str, decisions.Decision]) -> set[str]:
    return {name for name, decision in letters.items() if decision.verdict is Verdict.RETRIED}


def why_not_whole(beginnings: Mapping[Place, int], elsewhere: Sequence[Place]) -> str | None:
    """Returns why this log does not hold everything that the service ever read; None if it does."""
    cut = sorted(place for place, offset in beginnings.items() if offset > 0)
    if cut:
        first = cut[0]
        return f"records 0 to {beginnings[first] - 1} of {first.topic}/{first.partition} are gone (retention)"
    if elsewhere:
        return f"{elsewhere[0].topic} was read on another cluster, too ({elsewhere[0].cluster_id})"
    return None
