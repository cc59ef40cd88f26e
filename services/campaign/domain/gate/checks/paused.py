"""A journey or broadcast that is paused sends nothing."""

from services.campaign.domain.gate.situation import STOPPED_LOOK_AGAIN, Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Verdict


class Paused:
    """Holds the messages of what is paused."""

    name = "paused"

    def check(self, _: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold while the definition is paused."""
        return Held(situation.now + STOPPED_LOOK_AGAIN, "paused") if situation.paused else None
