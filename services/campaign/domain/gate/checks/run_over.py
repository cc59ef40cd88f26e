"""A message whose run has ended has nothing to say any more."""

from services.campaign.domain.gate.situation import Candidate, Situation
from services.campaign.domain.gate.verdicts import Refused, Verdict


class RunOver:
    """Refuses a message whose run is over."""

    name = "run_over"

    def check(self, candidate: Candidate, _: Situation) -> Verdict | None:
        """Returns a refusal if the run has ended."""
        return Refused("run_over") if candidate.over else None
