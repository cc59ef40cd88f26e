"""An address that takes nothing gets nothing, until somebody lifts the suppression."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class Suppressed:
    """Refuses a message to a suppressed address."""

    name = "suppressed"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the customer's address is suppressed."""
        channels = situation.contact.suppressed if situation.contact is not None else ()
        return Refused("suppressed") if candidate.definition.channel in channels else None
