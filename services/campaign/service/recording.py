"""Writing decisions down, for people and for the metrics."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from services.campaign.domain.decision import Decision, Evidence, Outcome
from services.campaign.repository import decisions
from services.campaign.repository.messages import Due
from shared.contracts.envelope import derived_id
from shared.database.database import Work
from shared.service import metrics
from shared.service.logging import get_logger

log: Final = get_logger(__name__)


async def record(work: Work, made: Sequence[Decision]) -> None:
    """Writes decisions down, each once, and counts and logs those that were new once they are committed."""
    if not made:
        return
    new = await decisions.insert(work, made)
    for one in made:
        if one.id in new:
            work.afterwards.append(partial(_tell, one))


def _tell(one: Decision) -> None:
    metrics.decisions.labels(one.journey_id, one.outcome.value).inc()
    if one.message_id is None:
        return  # who enters a journey is no news; what becomes of a message is
    tell = log.warning if one.outcome in (Outcome.FAILED, Outcome.UNKNOWN) else log.info
    tell(
        f"message.{one.outcome.value}",
        message=str(one.message_id),
        profile=str(one.profile_id),
        journey=one.journey_id,
        trigger=one.trigger_id,
        reason=_kind_of(one.reason),
    )


def _kind_of(reason: str) -> str:
    """Returns what stands before the colon: after it a provider may have repeated an address."""
    return reason.partition(":")[0]


class Subject(NamedTuple):
    """What a decision is about, if it is not a message of the table of messages."""

    id: UUID
    profile_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    cause_occurred_at: datetime


def about(
    message: Due | Subject, outcome: Outcome, reason: str, *, attempt: int = 0, evidence: Evidence | None = None
) -> Decision:
    """Returns a decision about a message: one for each outcome, attempt and kind of reason (its first word)."""
    return Decision(
        id=derived_id(message.id, f"{outcome.value}/{reason.partition(' ')[0]}", message.journey_id, attempt),
        profile_id=message.profile_id,
        journey_id=message.journey_id,
        journey_version=message.journey_version,
        trigger_id=message.trigger_id,
        outcome=outcome,
        reason=reason,
        cause_occurred_at=message.cause_occurred_at,
        message_id=message.id,
        evidence=evidence,
    )
