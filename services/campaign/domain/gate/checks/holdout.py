"""A share of customers gets nothing of a journey or broadcast, so that its effect can be measured."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict
from services.campaign.domain.journey.nodes.split import bucket


class InHoldout:
    """Refuses a message to a customer of its definition's holdout; transactional ones pass."""

    name = "holdout"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the customer is in the definition's holdout."""
        holdout = situation.in_force.policy.holdouts.get(candidate.definition.id)
        if holdout is None or situation.contact is None or candidate.transactional:
            return None
        place = bucket(holdout.salt, str(situation.contact.profile_id))
        return Refused("holdout") if place < round(holdout.percent * 100) else None
