"""Dry runs of drafts and of published journeys."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.rehearsal import Rehearsed, rehearse
from services.campaign.domain.journey.run import Customer
from services.campaign.service import journeys
from services.campaign.service.rules import SOURCE
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomEvent
from shared.database.database import Work

NOBODY: Final = UUID(int=0)
LONGEST: Final = timedelta(days=3_653)


class MadeUp(NamedTuple):
    """An event that is made up: its name, when, and its properties."""

    name: str
    at: datetime
    properties: Mapping[str, Any]


async def dry_run(
    work: Work,
    journey_id: str,
    definition: Mapping[str, Any] | None,
    known: Known,
    *,
    entered_by: MadeUp,
    later: Sequence[MadeUp],
    customer: Customer,
    profile_id: UUID | None,
    messages: Mapping[str, str],
) -> Rehearsed:
    """Returns what a made-up customer goes through by a definition; if it is None by the draft, or what is published.

    Raises `UnknownJourney` or `InvalidJourney`.
    """
    if definition is None:
        shown = await journeys.one(work, journey_id)
        definition = journeys.newest_text(shown)
    journey, _ = journeys.checked(journey_id, 1, definition, known)
    return rehearse(
        journey,
        _event(entered_by),
        [_event(one) for one in later],
        customer,
        until=entered_by.at + LONGEST,
        messages=messages,
        run_id=uuid5(NOBODY, journey_id),
        profile_id=profile_id or NOBODY,
        data=dict(entered_by.properties),
    )


def _event(made_up: MadeUp) -> Event:
    return Event(
        event_id=uuid5(NOBODY, f"{made_up.name}/{made_up.at.isoformat()}/{sorted(made_up.properties.items())!r}"),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=made_up.at,
        received_at=made_up.at,
        body=CustomEvent(name=made_up.name, properties=dict(made_up.properties)),
    )
