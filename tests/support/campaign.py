"""A campaign service without a broker: events go in by hand, messages come out at a provider with a disk."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from services.campaign import content
from services.campaign.channels import Channel
from services.campaign.consumer import handlers
from services.campaign.domain.delivery import Accepted, Deferred, Lost, Message, Rejected, Reply
from services.campaign.domain.message_definition import Cap
from services.campaign.service import operations, running
from services.campaign.service.rules import Rules
from services.campaign.worker import Sender
from shared.contracts import wire
from shared.contracts.changes import ContactPoint, ProfileChanged, StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body
from shared.database.database import Database, Work
from tests.support.running import eventually

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
LEASE: Final = 15 * SECOND  # not the default: it is passed in
RULES: Final = Rules(content.templates(), Cap(3, 168), "hello@shop.example", b"secret", LEASE)


HANDLERS: Final = handlers(RULES.partition_secret)


class StoppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment


class Died(Exception):
    """The process ends here."""


class Provider:
    """A mail provider with a disk: what it took is in its file, whatever the sender came to know of it.

    What it does is in the local part of the address: defer-2 (twice), reject, silence, die (after taking), slow.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._deferred: dict[str, int] = {}
        self.asked: list[UUID] = []
        self.at_once = 0
        self._now = 0

    async def send(self, message: Message) -> Reply:
        self.asked.append(message.id)
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        try:
            return await self._answer(message)
        finally:
            self._now -= 1

    async def _answer(self, message: Message) -> Reply:
        await asyncio.sleep(0)
        behaviour, _, number = message.to.partition("@")[0].partition("-")
        if behaviour == "defer" and self._deferred.get(message.to, 0) < int(number):
            self._deferred[message.to] = self._deferred.get(message.to, 0) + 1
            return Deferred("deferred: 451 busy")
        if behaviour == "reject":
            return Rejected("rejected: 550 no such mailbox")
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"to": message.to, "subject": message.part("subject"), **message.headers}) + "\n")
        if behaviour == "silence":
            return Lost("no answer: timed out")
        if behaviour == "die":
            raise Died
        return Accepted()

    async def close(self) -> None:
        pass

    @property
    def taken(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []


class DeafDatabase(Database):
    """Loses the answer to each COMMIT that marks messages as being sent, so many times."""

    deaf = 0

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        async with super().work() as work:
            yield work
            claimed = await work.rows(
                "SELECT 1 FROM messages WHERE state = 'sending' AND xmin = pg_current_xact_id()::xid"
            )
        if claimed and self.deaf:
            self.deaf -= 1
            raise ConnectionResetError("the connection ended after COMMIT was sent")


class World:
    """One campaign service without a broker: events go in by hand, mail comes out at the provider."""

    def __init__(self, database: DeafDatabase, clock: StoppedClock, provider: Provider) -> None:
        self.database = database
        self.clock = clock
        self.provider = provider
        self.channels: dict[str, Channel] = {"email": provider}
        self.senders: list[Sender] = []
        database.listeners.append(self.wake)

    async def hear(self, *events: Event) -> None:
        """One batch, as the consumer applies it."""
        async with self.database.work() as work:
            for handler, run in groupby(events, key=lambda event: HANDLERS[type(event.body)]):
                await handler(work, list(run))

    def sender(self) -> Sender:
        sender = Sender(
            self.database,
            self.clock,
            self.channels,
            RULES._replace(channels=frozenset(self.channels)),
            concurrency=8,
            compared=lambda: True,
            tick=lambda: None,
        )
        self.senders.append(sender)
        return sender

    @asynccontextmanager
    async def sending(self, senders: int = 1) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(senders):
                tasks.create_task(self.sender().run(stop))
            try:
                yield
            finally:
                stop.set()
                self.move(timedelta())

    async def walk(self) -> int:
        """Moves what is due now, all of it; how many runs were moved."""
        moved = 0
        while True:
            async with self.database.work() as work:
                found = await running.move_due(work, until=work.now, partition_secret=RULES.partition_secret)
            if not found:
                return moved
            moved += found

    def move(self, by: timedelta) -> None:
        self.clock.moment += by
        self.wake()

    def wake(self) -> None:
        for sender in self.senders:
            sender.wake()

    async def states(self) -> list[str]:
        async with self.database.work() as work:
            return [row.state for row in await work.rows("SELECT state FROM messages ORDER BY created_at, id")]

    async def settled(self, accept: Callable[[list[str]], bool]) -> list[str]:
        return await eventually(self.states, accept)

    async def decisions(self, profile_id: UUID) -> list[tuple[str, str]]:
        async with self.database.work() as work:
            found = await operations.decisions(work, profile_id, limit=100)
        return sorted((row.outcome, row.reason) for row in found)

    async def facts(self) -> list[Event]:
        async with self.database.work() as work:
            rows = await work.rows("SELECT headers::text AS headers, value FROM outbox ORDER BY id")
        return [wire.decode([(k, v.encode()) for k, v in json.loads(r.headers).items()], r.value) for r in rows]


def event(body: Body, profile_id: UUID, *, at: datetime = NOON, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": uuid4(),
        "source_id": "segment",
        "source_kind": SourceKind.SERVICE,
        "occurred_at": at,
        "received_at": at,
        "profile_id": profile_id,
        "cause_id": uuid4(),
        "body": body,
    }
    return Event(**(fields | changes))


def profile(
    profile_id: UUID, email: str = "ann@example.com", *, version: int = 1, consent: bool = True, **traits: Any
) -> Event:
    state = ProfileChanged(
        profile_id=profile_id,
        version=version,
        first_seen=NOON,
        last_seen=NOON,
        identities={"email": (email,)},
        traits={"first_name": "Ann", **traits},
        consent={"email": consent},
        contact_points=(ContactPoint(namespace="email", value=email),),
        public_traits=(),
    )
    return event(state, profile_id)


def rise(
    profile_id: UUID, *, version: int = 1, current: str = "gold", order_id: str | None = None, **changes: Any
) -> Event:
    body = TierChanged(
        profile_id=profile_id,
        version=version,
        previous="bronze",
        current=current,
        direction="up",
        reason="spend 100",
        order_id=order_id,
    )
    return event(body, profile_id, **changes)


def stage(profile_id: UUID, *, version: int = 1, current: str = "at_risk", **changes: Any) -> Event:
    body = StageChanged(
        profile_id=profile_id, version=version, previous="active", current=current, reason="silent for 60 days"
    )
    return event(body, profile_id, **changes)


def all_in(*states: str) -> Callable[[Sequence[str]], bool]:
    return lambda found: bool(found) and set(found) <= set(states)
