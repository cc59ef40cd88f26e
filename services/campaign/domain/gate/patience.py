"""What is not known of a customer yet is waited for, a moment."""

from services.campaign.domain.gate.situation import LOOK_AGAIN, PROFILE_PATIENCE, Candidate, Situation
from services.campaign.domain.gate.verdicts import Held, Refused, Verdict


def patiently(missing: str, candidate: Candidate, situation: Situation) -> Verdict:
    """Returns a hold while what is missing may still come, then a refusal."""
    waiting = situation.now - candidate.created_at < PROFILE_PATIENCE
    return Held(situation.now + LOOK_AGAIN, missing) if waiting else Refused(missing)
