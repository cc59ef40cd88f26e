"""What set a message off may be only so old when it leaves."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class MaxAge:
    """Refuses a message whose cause is older than its definition allows."""

    name = "max_age"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the cause is too old."""
        too_old = situation.now - candidate.occurred_at > candidate.definition.max_age
        return Refused("too_old") if too_old else None
