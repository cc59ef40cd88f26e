"""Whoever refused a channel and purpose, or took consent back, gets nothing of it."""

from services.campaign.domain.channels.registry import agreed_to
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class Withdrawn:
    """Refuses a message that its customer does not agree to."""

    name = "withdrawn"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the customer's consent is known to be refused."""
        contact, definition = situation.contact, candidate.definition
        refused = contact is not None and agreed_to(contact, definition.channel, definition.purpose) is False
        return Refused("no_consent") if refused else None
