"""The floor: whether the ledger was restored from a backup, and what an operator says is safe to send again."""

from collections.abc import Sequence
from datetime import datetime

from services.campaign.domain.ledger import Ledger, Objection, difference, objection
from services.campaign.repository import ledger as repository
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import Conflict, Invalid
from shared.kafka.consumer.rewinds import Rewind, described
from shared.service.logging import get_logger

log = get_logger(__name__)


class FloorMovesBack(Conflict):
    """A floor never moves back."""


class UnfitFloor(Invalid):
    """The floor makes no sense."""


async def look(work: Work) -> Ledger:
    """The ledger, after asking PostgreSQL whether this is still the database that it was noted in.

    Whoever looks first at one that is not notes that a floor is awaited; the first look ever only notes where it is.
    """
    noted, found = await repository.read(work)
    if noted is None:
        await repository.begin(work, found)
        return Ledger(found)
    reason = difference(noted.identity, found)
    if reason is None:
        return noted
    await repository.move(work, found, reason=reason)
    log.error("campaign.awaits_floor", reason=reason)
    return await _again(work)


async def note_rewound(work: Work, rewinds: Sequence[Rewind]) -> None:
    """Awaits a floor because the database has lost something that it had taken in."""
    reason = f"rewound: {described(rewinds)}"
    await look(work)
    await repository.await_floor(work, reason=reason)
    log.error("campaign.awaits_floor", reason=reason)


async def set_floor(work: Work, at: datetime, *, by: Actor) -> Ledger:
    """Sets the floor, which ends the wait for it. Raises `FloorMovesBack` or `UnfitFloor`."""
    ledger = await look(work)
    said = objection(ledger, at, last_handed=await repository.last_handed(work), now=work.now)
    if said is Objection.MOVES_BACK or (said is None and not await repository.set_floor(work, at)):
        raise FloorMovesBack(f"at: the floor stands at {(await _again(work)).floor}")
    if said is not None:
        raise UnfitFloor(f"at: {said.value} (it is {work.now.isoformat()} now)")
    log.warning("campaign.floor_set", at=at.isoformat(), by=by.subject)
    change = {"floor": [ledger.floor, at], "reason": ledger.reason}
    await audit.record(work, by, "floor.set", "service", "campaign", change)
    return await _again(work)


async def _again(work: Work) -> Ledger:
    ledger, _ = await repository.read(work)
    assert ledger is not None
    return ledger
