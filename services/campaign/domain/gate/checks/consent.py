"""A message needs consent to its channel and purpose, which may not have come yet."""

from services.campaign.domain.channels.registry import agreed_to
from services.campaign.domain.gate.patience import patiently
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Verdict


class Consent:
    """Holds a message for a moment whose customer never stated consent, then refuses it."""

    name = "consent"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold, and after the patience a refusal, while there is no consent."""
        contact, definition = situation.contact, candidate.definition
        agreed = contact is not None and agreed_to(contact, definition.channel, definition.purpose)
        return None if agreed else patiently("no_consent", candidate, situation)
