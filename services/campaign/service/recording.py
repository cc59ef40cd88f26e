"""Writing decisions down, for people and for the metrics."""

from collections.abc import Sequence

from services.campaign.domain.decision import Decision, Outcome
from services.campaign.repository import decisions
from services.campaign.repository.messages import Due
from shared import metrics
from shared.contracts.envelope import derived_id
from shared.db import Work


async def record(work: Work, made: Sequence[Decision]) -> None:
    """Writes decisions down, each once, and counts those that were new once they are committed."""
    if not made:
        return
    for journey_id, outcome in await decisions.insert(work, made):
        work.afterwards.append(metrics.decisions.labels(journey_id, outcome).inc)


def about(message: Due, outcome: Outcome, reason: str, *, attempt: int = 0) -> Decision:
    """A decision about a message: one for each outcome, attempt and kind of reason (its first word)."""
    return Decision(
        id=derived_id(message.id, f"{outcome.value}/{reason.partition(' ')[0]}", message.journey_id, attempt),
        profile_id=message.profile_id,
        journey_id=message.journey_id,
        journey_version=message.journey_version,
        trigger_id=message.trigger_id,
        outcome=outcome,
        reason=reason,
        cause_occurred_at=message.cause_occurred_at,
    )
