"""Whoever refused a channel and purpose, or took consent back, gets nothing of it."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class Withdrawn:
    """Refuses a message that its customer does not agree to."""

    name = "withdrawn"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the customer's consent is known to be refused."""
        contact = situation.contact
        refused = contact is not None and contact.agreed(candidate.definition.consent_to) is False
        return Refused("no_consent") if refused else None
