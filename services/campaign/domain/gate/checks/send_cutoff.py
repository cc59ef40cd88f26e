"""After a restore, what the lost part of the ledger may have sent is never sent again."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class SendCutoff:
    """Refuses a message that could have been sent before the send cutoff."""

    name = "send_cutoff"

    def check(self, candidate: Candidate, situation: Situation) -> Verdict | None:
        """Returns a refusal if the trigger could have been answered before the cutoff."""
        cutoff = situation.send_cutoff
        return Refused("before_send_cutoff") if cutoff is not None and candidate.answerable_from < cutoff else None
