"""One visit of a node sends once, under whichever of the customer's ids."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class Duplicate:
    """Refuses a message that was handed over for the same trigger, step and visit."""

    name = "duplicate"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the same was handed over before."""
        definition = candidate.definition
        visit = (definition.id, candidate.trigger_id, definition.step, candidate.visit)
        if any((one.journey_id, one.trigger_id, one.step, one.visit) == visit for one in situation.history):
            return Refused("duplicate")
        return None
