"""A message needs consent to its channel and purpose, which may not have come yet."""

from services.campaign.domain.gate.patience import patiently
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Verdict


class Consent:
    """Holds a message for a moment whose customer never stated consent, then refuses it."""

    name = "consent"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold, and after the patience a refusal, while there is no consent."""
        contact = situation.contact
        agreed = contact is not None and contact.agreed(candidate.definition.consent_to)
        return None if agreed else patiently("no_consent", candidate, situation)
