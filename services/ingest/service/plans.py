"""Tracking plans: written, put in force, inferred from what was seen; and how they were violated."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ingest.domain.definitions import plan
from services.ingest.domain.definitions.plan import Mode, Plan, PlanDocument, Planned
from services.ingest.domain.definitions.shape import schema
from services.ingest.domain.errors import definition_of
from services.ingest.repository import plans as repository
from services.ingest.repository import source_stats
from services.ingest.repository.plans import StoredPlan, StoredVersion
from services.ingest.repository.source_stats import StoredViolation
from services.ingest.service import sources
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import NotFound


class NoPlan(NotFound):
    """This source has no such tracking plan."""


class NothingSeen(NotFound):
    """Nothing was seen of this source yet."""


async def put(work: Work, source_id: UUID, definition: Any, *, by: Actor) -> int:
    """Stores a plan as the newest version and puts it in force. Returns the version.

    Raises `UnknownSource` or `BadDefinition`.
    """
    before = (await sources.one(work, source_id)).plan_version
    with definition_of("plan"):
        document = msgspec.convert(definition, PlanDocument)
        Plan(document)
    builtins = msgspec.to_builtins(document)
    version = await repository.insert(work, source_id, builtins, by=by.subject)
    await repository.put_in_force(work, source_id, version)
    change = {"in_force": [before, version], "plan": audit.digest(builtins)}
    await audit.record(work, by, "plan.written", "source", source_id, change)
    return version


async def put_in_force(work: Work, source_id: UUID, version: int | None, *, by: Actor) -> None:
    """Makes a stored version the one in force, or none of them. Raises `UnknownSource` or `NoPlan`."""
    before = (await sources.one(work, source_id)).plan_version
    if version is not None:
        await get(work, source_id, version)
    await repository.put_in_force(work, source_id, version)
    await audit.record(work, by, "plan.put_in_force", "source", source_id, {"in_force": [before, version]})


async def get(work: Work, source_id: UUID, version: int) -> StoredPlan:
    """Returns a version of a plan. Raises `NoPlan`."""
    found = await repository.one(work, source_id, version)
    if found is None:
        raise NoPlan(f"version {version} of source {source_id}")
    return found


async def in_force(work: Work, source_id: UUID) -> StoredPlan:
    """Returns the plan in force. Raises `UnknownSource` or `NoPlan`."""
    version = (await sources.one(work, source_id)).plan_version
    if version is None:
        raise NoPlan(f"source {source_id}")
    return await get(work, source_id, version)


async def versions(work: Work, source_id: UUID) -> Sequence[StoredVersion]:
    """Returns every version of a source's plan, newest first: when it was written, and by whom."""
    return await repository.versions(work, source_id)


async def infer(work: Work, source_id: UUID) -> PlanDocument:
    """Returns a plan that all events seen of a source fit, for people to edit.

    Raises `UnknownSource` or `NothingSeen`.
    """
    await sources.one(work, source_id)
    seen = await source_stats.shapes(work, source_id)
    if not seen:
        raise NothingSeen(f"source {source_id}")
    events = {
        name: Planned(properties=schema(shape), mode=Mode.WARN, description=f"inferred from {shape.seen} samples")
        for name, shape in list(seen.items())[: plan.MAX_EVENTS]
    }
    return PlanDocument(events=events, unplanned=Mode.OBSERVE)


async def violations(work: Work, source_id: UUID, *, since: date, limit: int) -> Sequence[StoredViolation]:
    """Returns what was wrong with a source's events since then, most frequent first."""
    await sources.one(work, source_id)
    return await source_stats.violations(work, source_id, since=since, limit=limit)
