"""An operator has stopped all sending."""

from services.campaign.domain.gate.situation import STOPPED_LOOK_AGAIN, Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Verdict


class SendStopped:
    """Holds everything while sending is stopped."""

    name = "send_stop"

    def check(self, _: Candidate, situation: Situation) -> Verdict | None:
        """Returns a hold while sending is stopped."""
        return Held(situation.now + STOPPED_LOOK_AGAIN, "send_stop") if situation.stopped else None
