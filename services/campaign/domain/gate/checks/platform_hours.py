"""Platforms take promotion only at some hours."""

from services.campaign.domain.gate import platforms
from services.campaign.domain.gate.local_hours import end_of
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Verdict


class PlatformHours:
    """Holds a message until the hours at which its platform takes it; transactional ones pass."""

    name = "platform_hours"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold until the platform's hours begin."""
        if candidate.transactional:
            return None
        for rule in platforms.RULES:
            if rule.hours is not None and rule.channel == candidate.definition.channel:
                opens, closes = rule.hours
                until = end_of(closes, opens, now=situation.now, zone_name=situation.zone)
                if until is not None:
                    return Held(until, f"platform/{rule.name}")
        return None
