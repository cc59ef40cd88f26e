"""The ledger: the record of what was sent, which database it lies in, and the send cutoff.

A ledger that was restored from a backup does not know what was sent after the backup was taken. Nothing leaves until
an operator has set a send cutoff; what could have been answered before the cutoff never leaves.
"""

from datetime import datetime
from enum import StrEnum

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """Which database it is, as PostgreSQL says. A promotion and a recovery begin a new timeline."""

    system_identifier: int
    timeline_id: int
    database_oid: int


class Ledger(msgspec.Struct, frozen=True):
    """Where the ledger stands. While `awaiting_since` is set nothing leaves; `reason` says why."""

    identity: Identity
    send_cutoff: datetime | None = None
    awaiting_since: datetime | None = None
    reason: str | None = None


class Objection(StrEnum):
    """Why a send cutoff can't be set."""

    IN_THE_FUTURE = "it lies in the future"
    MOVES_BACK = "it lies before the send cutoff that stands"
    BEFORE_THE_LAST_MESSAGE = "it lies before a message that this ledger knows of, and so before all that was lost"


def difference(noted: Identity, found: Identity) -> str | None:
    """Returns how the database differs from the one that the ledger was noted in; None if it is the same."""
    differing = [
        f"{what} {now}, was {before}"
        for what, before, now in (
            ("server", noted.system_identifier, found.system_identifier),
            ("timeline", noted.timeline_id, found.timeline_id),
            ("database", noted.database_oid, found.database_oid),
        )
        if before != now
    ]
    return f"restored or promoted: {', '.join(differing)}" if differing else None


def objection(ledger: Ledger, at: datetime, *, last_handed: datetime | None, now: datetime) -> Objection | None:
    """Returns why this send cutoff can't be set; None if it can.

    While a send cutoff is awaited nothing is handed over, so `last_handed` is something that the backup still
    knew: what was lost came after it, and a cutoff before it would end the wait and hold back nothing.
    """
    if at > now:
        return Objection.IN_THE_FUTURE
    if ledger.send_cutoff is not None and at < ledger.send_cutoff:
        return Objection.MOVES_BACK
    if ledger.awaiting_since is not None and last_handed is not None and at < last_handed:
        return Objection.BEFORE_THE_LAST_MESSAGE
    return None
