"""At night, where the customer is, nothing leaves."""

from services.campaign.domain.gate.local_hours import end_of
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Refused, Verdict


class InQuietHours:
    """Holds a message until quiet hours end, or refuses it, as the policy has it; transactional ones pass."""

    name = "quiet_hours"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold until the last of the present quiet hours ends, or a refusal."""
        if candidate.transactional:
            return None
        ends = []
        for quiet in situation.in_force.policy.quiet_hours:
            if quiet.channels and candidate.definition.channel not in quiet.channels:
                continue
            end = end_of(quiet.start, quiet.end, now=situation.now, zone_name=situation.zone)
            if end is not None:
                if quiet.then == "skip":
                    return Refused("quiet_hours")
                ends.append(end)
        return Held(max(ends), "quiet_hours") if ends else None
