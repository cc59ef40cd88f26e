"""Platforms bound how often one address is written to."""

from services.campaign.domain.gate import platforms
from services.campaign.domain.gate.caps import counted, room_at
from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Verdict


class PlatformCaps:
    """Holds a message until its platform's caps have room."""

    name = "platform_caps"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold until the fullest of the platform's caps may have room."""
        now, zone = situation.now, situation.zone
        full = []
        for rule in platforms.RULES:
            for cap in rule.caps_of(candidate):
                found = counted(cap, situation.history, now=now, zone=zone)
                if len(found) >= cap.messages:
                    full.append(Held(room_at(cap, found, now=now, zone=zone), f"platform/{cap.name}"))
        return max(full, key=lambda held: held.until, default=None)
