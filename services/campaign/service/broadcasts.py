"""Broadcasts: written, started, paused and cancelled; and, by the broadcaster, made into messages page by page.

Progress is a place in an audience that was fixed at the start. The place moves in the transaction that adds the
messages before it, so that nobody is passed over and nobody is written to twice, whatever ends the process.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from uuid_utils.compat import uuid7

from services.campaign.domain.broadcast import Broadcast, BroadcastState, Tally, breaks, problems, room
from services.campaign.domain.journey.document import problem_of
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.problems import Problem
from services.campaign.repository import broadcasts as repository
from services.campaign.repository.broadcasts import NewMessage
from services.campaign.repository.broadcasts import StoredBroadcast as StoredBroadcast
from shared import audit
from shared.audit import Actor
from shared.contracts.envelope import derived_id
from shared.database.database import Work
from shared.errors import Conflict, Invalid, NotFound, PreconditionFailed
from shared.service.logging import get_logger

PAGE: Final = 2_000  # messages that are made ready in one transaction, and the most that wait for the sender
LOOKED_AT_OFTEN: Final = 20_000  # while it is this young, the breaker looks after each page; later, after each tenth
LATER_PAGES: Final = 10

log: Final = get_logger(__name__)


class UnknownBroadcast(NotFound):
    """There is no such broadcast."""


class BroadcastExists(Conflict):
    """There is a broadcast of this id."""


class WrongState(Conflict):
    """The broadcast does not stand where that can be done."""


class InvalidBroadcast(Invalid):
    """The definition is not valid."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.at or '/'}: {one.message}" for one in found[:3]))
        self.errors = [{"at": one.at, "message": one.message} for one in found]


_FROM: Final[Mapping[BroadcastState, frozenset[BroadcastState]]] = {
    BroadcastState.SCHEDULED: frozenset({BroadcastState.DRAFT}),
    BroadcastState.PAUSED: frozenset({BroadcastState.SCHEDULED, BroadcastState.RUNNING}),
    BroadcastState.RUNNING: frozenset({BroadcastState.PAUSED}),
    BroadcastState.CANCELLED: frozenset(
        {BroadcastState.DRAFT, BroadcastState.SCHEDULED, BroadcastState.RUNNING, BroadcastState.PAUSED}
    ),
}
"""From where an operator may move a broadcast to each state."""


async def create(
    work: Work, broadcast_id: str, definition: Mapping[str, Any], known: Known, *, by: Actor
) -> tuple[StoredBroadcast, Sequence[Problem]]:
    """Adds a draft. Returns it, and what may be wrong with it. Raises `BroadcastExists` or `InvalidBroadcast`."""
    broadcast, warnings = _checked(work, broadcast_id, definition, known)
    if not await repository.add(work, broadcast, uuid7(), by=by.subject):
        raise BroadcastExists(f"broadcast {broadcast_id}")
    await audit.record(work, by, "broadcast.created", "broadcast", broadcast_id)
    return await one(work, broadcast_id), warnings


async def change(
    work: Work, broadcast_id: str, definition: Mapping[str, Any], known: Known, *, revision: int, by: Actor
) -> tuple[StoredBroadcast, Sequence[Problem]]:
    """Writes a draft. Raises `UnknownBroadcast`, `PreconditionFailed`, `WrongState` or `InvalidBroadcast`."""
    stored = await _held(work, broadcast_id, revision)
    if stored.state != BroadcastState.DRAFT:
        raise WrongState(f"broadcast {broadcast_id} is {stored.state}: only a draft is written")
    broadcast, warnings = _checked(work, broadcast_id, definition, known)
    await repository.write(work, broadcast, by=by.subject)
    await audit.record(work, by, "broadcast.changed", "broadcast", broadcast_id)
    return await one(work, broadcast_id), warnings


async def move(
    work: Work, broadcast_id: str, state: BroadcastState, *, revision: int | None, by: Actor
) -> StoredBroadcast:
    """Moves a broadcast: starts a draft (`scheduled`), pauses, resumes (`running`) or cancels.

    To move it to where it stands changes nothing.

    Raises `UnknownBroadcast`, `PreconditionFailed` or `WrongState`.
    """
    stored = await _held(work, broadcast_id, revision)
    if stored.state == state:
        return stored
    if BroadcastState(stored.state) not in _FROM[state]:
        raise WrongState(f"broadcast {broadcast_id} is {stored.state}")
    starts_at = stored.broadcast.starts_at(work.now) if state is BroadcastState.SCHEDULED else None
    if state is BroadcastState.RUNNING and stored.started_at is None:
        state = BroadcastState.SCHEDULED  # it was paused before its time came
    await repository.set_state(work, broadcast_id, state, starts_at=starts_at, by=by.subject)
    await audit.record(work, by, f"broadcast.{state.value}", "broadcast", broadcast_id)
    work.wakes = True
    return await one(work, broadcast_id)


async def every(work: Work, *, after: tuple[datetime, str] | None, limit: int) -> Sequence[StoredBroadcast]:
    """Returns a page of broadcasts, the newest first."""
    return await repository.every(work, after=after, limit=limit)


async def one(work: Work, broadcast_id: str) -> StoredBroadcast:
    """Returns a broadcast. Raises `UnknownBroadcast`."""
    found = await repository.one(work, broadcast_id)
    if found is None:
        raise UnknownBroadcast(f"broadcast {broadcast_id}")
    return found


async def tally(work: Work, broadcast_id: str) -> Tally:
    """Returns how its messages stand."""
    return await repository.tally(work, broadcast_id)


async def step(work: Work) -> bool:
    """Starts a broadcast that is due, or makes the next page of a running one. Returns whether there was more to do."""
    stored = await repository.claim(work, "scheduled")
    if stored is not None:
        broadcast = stored.broadcast
        audience = await repository.fix_audience(work, broadcast)
        await repository.start(work, broadcast, audience=audience)
        work.afterwards.append(partial(log.info, "broadcast.started", broadcast=broadcast.id, audience=audience))
        return True
    stored = await repository.claim(work, "running")
    return stored is not None and await _go_on(work, stored)


async def _go_on(work: Work, stored: StoredBroadcast) -> bool:
    broadcast = stored.broadcast
    waiting, unsettled = await repository.waiting(work, stored.id)
    pages = stored.done_to // PAGE
    if (stored.done_to < LOOKED_AT_OFTEN or pages % LATER_PAGES == 0) and (
        reason := breaks(await repository.tally(work, stored.id))
    ):
        await repository.set_state(work, stored.id, BroadcastState.PAUSED, reason=reason)
        work.afterwards.append(partial(log.error, "broadcast.paused_itself", broadcast=stored.id, reason=reason))
        return False
    since_last = work.now - stored.made_at if stored.made_at else None
    free = room(broadcast, waiting, page=PAGE, since_last=since_last)
    if not free:
        await repository.note_looked(work, stored.id)
        return False
    recipients = await repository.next_recipients(work, stored.id, stored.done_to, limit=free)
    if not recipients:
        if not unsettled:
            await repository.set_state(work, stored.id, BroadcastState.DONE)
        else:
            await repository.note_looked(work, stored.id)
        return False
    messages = [
        NewMessage(
            id=derived_id(stored.trigger_id, "message", str(one.profile_id), 1),
            journey_id=stored.id,
            profile_id=one.profile_id,
            trigger_id=str(stored.trigger_id),
            due_at=broadcast.due_at(work.now, one.time_zone),
        )
        for one in recipients
    ]
    await repository.make_ready(work, stored.id, messages, done_to=recipients[-1].place)
    work.wakes = True
    return True


def _checked(
    work: Work, broadcast_id: str, definition: Mapping[str, Any], known: Known
) -> tuple[Broadcast, Sequence[Problem]]:
    if "id" in definition:
        raise InvalidBroadcast([Problem("/id", "must be left out: it stands outside the definition")])
    try:
        broadcast = msgspec.convert({**definition, "id": broadcast_id}, Broadcast)
    except msgspec.ValidationError as error:
        raise InvalidBroadcast([problem_of(error, "")]) from None
    found = list(problems(broadcast, known, work.now))
    if errors := [one for one in found if not one.warning]:
        raise InvalidBroadcast(errors)
    return broadcast, found


async def _held(work: Work, broadcast_id: str, revision: int | None) -> StoredBroadcast:
    found = await repository.one(work, broadcast_id, lock=True)
    if found is None:
        raise UnknownBroadcast(f"broadcast {broadcast_id}")
    if revision is not None and found.revision != revision:
        raise PreconditionFailed(f"broadcast {broadcast_id} is at revision {found.revision}")
    return found
