"""After a restore nothing leaves until somebody has set a send cutoff."""

from services.campaign.domain.gate.situation import STOPPED_LOOK_AGAIN, Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Verdict


class Restored:
    """Holds everything while a send cutoff is awaited."""

    name = "restored"

    def check(self, _: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold while a cutoff is awaited."""
        return Held(situation.now + STOPPED_LOOK_AGAIN, "restored") if situation.awaiting else None
