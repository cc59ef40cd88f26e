"""Nobody is written to too often: the rules of the policy, of which the strictest wins."""

from collections.abc import Sequence

from services.campaign.domain.decision import Outcome
from services.campaign.domain.gate.caps import bounds, counted, room_at
from services.campaign.domain.gate.policy import FrequencyRule
from services.campaign.domain.gate.situation import CUSTOMER_RULE, Candidate, Handed, Situation
from services.campaign.domain.gate.verdicts import Held, Refused, Verdict


class Frequency:
    """Refuses or holds a message that a rule of frequency has no room for.

    Of full rules one by which messages lose comes before those by which they wait, and of these the longest wait.
    """

    name = "frequency"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal or a hold if a rule that bounds the message is full."""
        now, zone = situation.now, situation.zone
        holds = []
        for rule in situation.rules:
            if not bounds(rule, candidate):
                continue
            found = counted(rule, situation.history, now=now, zone=zone)
            if len(found) < rule.messages:
                continue
            reason = _reason(rule, found, candidate, situation)
            if rule.when_full == "lose":
                return Refused(reason, Outcome.CAPPED)
            holds.append(Held(room_at(rule, found, now=now, zone=zone), reason))
        return max(holds, key=lambda held: held.until, default=None)


def _reason(rule: FrequencyRule, found: Sequence[Handed], candidate: Candidate, situation: Situation) -> str:
    """Returns whom the message lost to, if it had room but for messages of higher priority in the same claim."""
    policy = situation.in_force.policy
    own = policy.priority(candidate.definition.id)
    winners = [one for one in found if one.claimed and policy.priority(one.journey_id) > own]
    if len(found) - len(winners) < rule.messages:
        return f"lost_to/{winners[-1].journey_id}"
    return "customer_cap" if rule.name == CUSTOMER_RULE else f"frequency/{rule.name}"
