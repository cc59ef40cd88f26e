"""A customer needs a profile and an address; neither may have come yet."""

from services.campaign.domain.channels.registry import address_of
from services.campaign.domain.gate.patience import patiently
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Verdict


class Reachable:
    """Holds a message for a moment whose customer has no profile or address, then refuses it."""

    name = "reachable"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold, and after the patience a refusal, while there is nowhere to write to."""
        if situation.contact is None:
            return patiently("no_profile", candidate, situation)
        return (
            None
            if address_of(situation.contact, candidate.definition.channel)
            else patiently("no_address", candidate, situation)
        )
