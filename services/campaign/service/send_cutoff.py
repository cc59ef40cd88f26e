"""The send cutoff: whether the ledger was restored from a backup, and what an operator says is safe to send again."""

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


class SendCutoffMovesBack(Conflict):
    """A send cutoff never moves back."""


class UnfitSendCutoff(Invalid):
    """The send cutoff is not valid."""


async def look(work: Work) -> Ledger:
    """Returns the ledger, after asking PostgreSQL whether this is still the database that it was noted in.

    Whoever looks first at another one notes that a send cutoff is awaited; the first look ever only notes where it is.
    """
    noted, found = await repository.read(work)
    if noted is None:
        await repository.begin(work, found)
        return Ledger(found)
    reason = difference(noted.identity, found)
    if reason is None:
        return noted
    await repository.move(work, found, reason=reason)
    log.error("campaign.awaits_send_cutoff", reason=reason)
    return await _again(work)


async def note_rewound(work: Work, rewinds: Sequence[Rewind]) -> None:
    """Awaits a send cutoff because the database has lost something that it had taken in."""
    reason = f"rewound: {described(rewinds)}"
    await look(work)
    await repository.await_send_cutoff(work, reason=reason)
    log.error("campaign.awaits_send_cutoff", reason=reason)


async def set_send_cutoff(work: Work, at: datetime, *, by: Actor) -> Ledger:
    """Sets the send cutoff, which ends the wait for it. Raises `SendCutoffMovesBack` or `UnfitSendCutoff`."""
    ledger = await look(work)
    objected = objection(ledger, at, last_handed=await repository.last_handed(work), now=work.now)
    if objected is Objection.MOVES_BACK or (objected is None and not await repository.set_send_cutoff(work, at)):
        raise SendCutoffMovesBack(f"at: the send cutoff stands at {(await _again(work)).send_cutoff}")
    if objected is not None:
        raise UnfitSendCutoff(f"at: {objected.value} (it is {work.now.isoformat()} now)")
    log.warning("campaign.send_cutoff_set", at=at.isoformat(), by=by.subject)
    change = {"send_cutoff": [ledger.send_cutoff, at], "reason": ledger.reason}
    await audit.record(work, by, "send_cutoff.set", "service", "campaign", change)
    return await _again(work)


async def _again(work: Work) -> Ledger:
    ledger, _ = await repository.read(work)
    assert ledger is not None
    return ledger
