"""Runs as marketers handle them: looked at, entered by hand, and ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.campaign.domain.decision import Outcome
from services.campaign.domain.journey.run import End
from services.campaign.repository import runs as repository
from services.campaign.repository.runs import StoredRun as StoredRun
from services.campaign.repository.runs import StoredStep as StoredStep
from services.campaign.service import entering, journeys, published, running
from services.campaign.service.rules import SOURCE
from shared import audit
from shared.audit import Actor
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomEvent
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Conflict, NotFound

ENTERED_BY_HAND = "journey_called"


class UnknownRun(NotFound):
    """There is no such run."""


class NotEntered(Conflict):
    """The customer did not enter the journey."""


async def of_journey(
    work: Work, journey_id: str, *, state: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StoredRun]:
    """Returns a page of a journey's runs, the newest first. Raises `UnknownJourney`."""
    await journeys.one(work, journey_id)
    return await repository.of_journey(work, journey_id, state=state, after=after, limit=limit)


async def of_customer(work: Work, profile_id: UUID, *, limit: int) -> Sequence[StoredRun]:
    """Returns a customer's runs, the newest first. The id of a merged profile still works."""
    return await repository.of_customer(work, await aliases.names(work, profile_id), limit=limit)


async def trace(work: Work, run_id: UUID) -> tuple[StoredRun, Sequence[StoredStep]]:
    """Returns a run and what it did. Raises `UnknownRun`."""
    found = await repository.one(work, run_id)
    if found is None:
        raise UnknownRun(f"run {run_id}")
    return found, await repository.steps(work, run_id)


async def enter(
    work: Work,
    journey_id: str,
    profile_id: UUID,
    properties: Mapping[str, Any],
    *,
    event_id: UUID | None = None,
    partition_secret: bytes,
    by: Actor,
) -> StoredRun:
    """Lets a customer into a journey that runs, whatever sets it off, by its rules. Returns the run.

    Raises `UnknownJourney`, or `NotEntered` with the reason.
    """
    definitions = await published.look(work)
    journey = next((one for one in definitions.entered if one.id == journey_id), None)
    if journey is None:
        await journeys.one(work, journey_id)
        raise NotEntered(f"journey {journey_id}: paused, or never published")
    event = Event(
        event_id=event_id or uuid7(),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        body=CustomEvent(name=ENTERED_BY_HAND, properties=dict(properties)),
        profile_id=profile_id,
    )
    await aliases.lock_merges(work, shared=True)
    entry = entering.Entry(profile_id, event, [journey])
    made = await entering.let_in(work, definitions, [entry], partition_secret=partition_secret)
    refused = next((one.reason for one in made if one.outcome is Outcome.SKIPPED), "")
    found = await repository.one(work, entering.run_id(journey, event))
    if found is None:
        raise NotEntered(f"journey {journey_id}: {refused or 'entered_before'}")
    await audit.record(work, by, "run.entered", "run", found.id)
    return found


async def end(work: Work, run_id: UUID, *, partition_secret: bytes, by: Actor) -> StoredRun:
    """Takes a run out of its journey. Ending it again changes nothing. Raises `UnknownRun`."""
    found, _ = await trace(work, run_id)
    walk = await running.open_walk(
        work, await published.look(work), [found.profile_id], partition_secret=partition_secret
    )
    run = walk.run(found.profile_id, run_id)
    if run is not None:
        walk.end(run, End("ended by hand"))
        await walk.save()
        await audit.record(work, by, "run.ended", "run", run_id)
    found, _ = await trace(work, run_id)
    return found
