"""A journey or broadcast may bound its own messages."""

from services.campaign.domain.decision import Outcome
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class DefinitionCap:
    """Refuses a message that its own definition's cap has no room for."""

    name = "definition_cap"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the definition's cap is full."""
        cap = candidate.definition.cap
        if cap is None:
            return None
        since = situation.now - cap.window
        handed = sum(one.journey_id == candidate.definition.id and one.at > since for one in situation.history)
        return Refused("journey_cap", Outcome.CAPPED) if handed >= cap.messages else None
