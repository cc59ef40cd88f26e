"""A standing share of customers gets nothing, so that the effect of all messages together can be measured."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict
from services.campaign.domain.journey.nodes.split import bucket


class InGlobalHoldout:
    """Refuses a message to a customer of the standing holdout; transactional ones pass."""

    name = "global_holdout"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the customer is in the present period's holdout."""
        holdout, contact = situation.in_force.policy.global_holdout, situation.contact
        if holdout is None or contact is None or candidate.transactional:
            return None
        place = bucket(holdout.salt_at(situation.now), str(contact.profile_id))
        return Refused("global_holdout") if place < round(holdout.percent * 100) else None
