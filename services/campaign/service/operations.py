"""What operators do and ask: journeys, the send stop, messages, decisions, figures."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.campaign.domain.delivery import State
from services.campaign.domain.gate import SendStop
from services.campaign.repository import decisions as decision_rows
from services.campaign.repository import journeys as journey_rows
from services.campaign.repository import messages as message_rows
from services.campaign.repository.decisions import StoredDecision
from services.campaign.repository.messages import StoredMessage
from shared import audit
from shared.audit import Actor
from shared.database import aliases
from shared.database.database import Work


class JourneyFigures(NamedTuple):
    """One journey's messages by state, the distinct triggers answered, and seconds from cause to handed over."""

    journey_id: str
    states: Mapping[str, int]
    sent_triggers: int
    p50_seconds: float | None
    p99_seconds: float | None


async def send_stop(work: Work) -> SendStop | None:
    """Returns the send stop, if sending is stopped."""
    return await journey_rows.stopped(work)


async def stop_sending(work: Work, *, by: Actor, reason: str = "") -> SendStop:
    """Stops every message that has not been handed over yet; they are held, and grow too old."""
    if await journey_rows.stop(work, by=by.subject, reason=reason):
        await audit.record(work, by, "sending.stopped", "service", "campaign")
    stopped = await journey_rows.stopped(work)
    assert stopped is not None
    return stopped


async def resume_sending(work: Work, *, by: Actor) -> None:
    """Ends the stop."""
    if await journey_rows.unstop(work):
        await audit.record(work, by, "sending.resumed", "service", "campaign")


async def messages(
    work: Work,
    *,
    journey_id: str | None,
    state: State | None,
    profile_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[StoredMessage]:
    """Returns a page of messages, newest first. The id of a merged profile still works."""
    names = None if profile_id is None else await aliases.names(work, profile_id)
    return await message_rows.page(
        work, journey_id=journey_id, state=state and state.value, profile_ids=names, after=after, limit=limit
    )


async def decisions(work: Work, profile_id: UUID, *, limit: int) -> Sequence[StoredDecision]:
    """Returns what was decided about a customer, newest first. The id of a merged profile still works."""
    return await decision_rows.of_customer(work, await aliases.names(work, profile_id), limit=limit)


async def figures(work: Work) -> Sequence[JourneyFigures]:
    """Returns each journey's figures, over all its messages."""
    states: dict[str, dict[str, int]] = {}
    triggers: dict[str, int] = {}
    for one in await message_rows.counts(work):
        states.setdefault(one.journey_id, {})[one.state] = one.messages
        if one.state == State.SENT:
            triggers[one.journey_id] = one.triggers
    seconds = await message_rows.latencies(work)
    return [
        JourneyFigures(journey_id, found, triggers.get(journey_id, 0), *seconds.get(journey_id, (None, None)))
        for journey_id, found in states.items()
    ]
