"""What the gate answers: a message may leave, not now, or never."""

from datetime import datetime

import msgspec

from services.campaign.domain.decision import Evidence, Outcome


class Allowed(msgspec.Struct, frozen=True):
    """It may leave now, to this address."""

    address: str
    evidence: Evidence | None = None


class Held(msgspec.Struct, frozen=True):
    """Not now; look again then."""

    until: datetime
    reason: str
    outcome: Outcome = Outcome.HELD
    evidence: Evidence | None = None


class Refused(msgspec.Struct, frozen=True):
    """Never."""

    reason: str
    outcome: Outcome = Outcome.REFUSED
    evidence: Evidence | None = None


Verdict = Held | Refused
