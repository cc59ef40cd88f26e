"""Nobody gets the same template again within some days."""

from datetime import timedelta

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class SameContent:
    """Refuses a message whose template the customer was handed lately; transactional ones pass."""

    name = "same_content"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the template was handed over within the policy's days of 24 hours."""
        days = situation.in_force.policy.same_content_days
        if days is None or candidate.transactional:
            return None
        since, template = situation.now - timedelta(days=days), candidate.definition.template
        again = any(one.template == template and one.at > since for one in situation.history)
        return Refused("same_content") if again else None
