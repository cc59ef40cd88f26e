"""A provider that takes nothing from us is not asked."""

from services.campaign.domain.gate.situation import STOPPED_LOOK_AGAIN, Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Verdict


class ProviderStopped:
    """Holds what could leave while its provider takes nothing."""

    name = "provider_stop"

    def check(self, _: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold while the provider takes nothing."""
        return Held(situation.now + STOPPED_LOOK_AGAIN, "provider_stop") if situation.provider_stopped else None
