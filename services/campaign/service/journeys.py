"""Journeys as marketers handle them: drafts, versions, and whom a change concerns."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from services.campaign.domain.journey import document
from services.campaign.domain.journey.definition import Journey, Published
from services.campaign.domain.journey.document import written as written
from services.campaign.domain.journey.impact import Impact, impacts
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.validation import problems
from services.campaign.repository import journeys as repository
from services.campaign.repository import runs
from services.campaign.repository.journeys import StoredDraft, StoredVersion
from services.campaign.service.definitions import SINGLE
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import Conflict, Invalid, NotFound, PreconditionFailed

Move = Literal["stay", "follow"]


class UnknownJourney(NotFound):
    """There is no such journey."""


class JourneyExists(Conflict):
    """There is a journey of this id."""


class NothingToPublish(Conflict):
    """The journey has no draft, or one that is published."""


class InvalidJourney(Invalid):
    """The definition is not valid."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.at or '/'}: {one.message}" for one in found[:3]))
        self.errors = [{"at": one.at, "message": one.message} for one in found]


class Shown(NamedTuple):
    """A journey: its newest version, if one is published, and its draft, if it has one."""

    journey_id: str
    published: Published | None
    draft: StoredDraft | None

    @property
    def revision(self) -> int:
        """What an edit names: the draft's, or 0 while there is none."""
        return self.draft.revision if self.draft else 0


async def every(work: Work) -> Sequence[Shown]:
    """Returns all journeys, by id."""
    newest = await _newest(work)
    drafts = {one.id: one for one in await repository.drafts(work)}
    return [Shown(one, newest.get(one), drafts.get(one)) for one in sorted(newest.keys() | drafts.keys())]


async def one(work: Work, journey_id: str) -> Shown:
    """Returns a journey. Raises `UnknownJourney`."""
    found = Shown(journey_id, (await _newest(work)).get(journey_id), await repository.draft(work, journey_id))
    if found.published is None and found.draft is None:
        raise UnknownJourney(f"journey {journey_id}")
    return found


async def create(
    work: Work, journey_id: str, definition: Mapping[str, Any], known: Known, *, by: Actor
) -> tuple[Shown, Sequence[Problem]]:
    """Adds a journey as a draft. Returns it, and what may be wrong with it.

    Raises `JourneyExists` or `InvalidJourney`.
    """
    _, warnings = checked(journey_id, 1, definition, known)
    if journey_id == SINGLE:
        raise JourneyExists(f"journey {journey_id}: single messages have this id")
    if journey_id in await _newest(work) or not await repository.add_draft(
        work, journey_id, _text(definition), by=by.subject
    ):
        raise JourneyExists(f"journey {journey_id}")
    await audit.record(work, by, "journey.created", "journey", journey_id)
    return await one(work, journey_id), warnings


async def change(
    work: Work, journey_id: str, definition: Mapping[str, Any], known: Known, *, revision: int, by: Actor
) -> tuple[Shown, Sequence[Problem]]:
    """Writes a draft; what is published stays. Raises `UnknownJourney`, `PreconditionFailed`, `InvalidJourney`."""
    found = await _held(work, journey_id, revision)
    _, warnings = checked(journey_id, 1, definition, known)
    if found.draft is None:
        if not await repository.add_draft(work, journey_id, _text(definition), by=by.subject):
            raise PreconditionFailed("somebody has written a draft since it was read")
    else:
        await repository.set_draft(work, journey_id, _text(definition), by=by.subject)
    await audit.record(work, by, "journey.changed", "journey", journey_id)
    return await one(work, journey_id), warnings


async def impact(work: Work, journey_id: str, known: Known) -> Sequence[Impact]:
    """Returns whom the draft would concern, once it is published. Raises `UnknownJourney`, `NothingToPublish`."""
    found = await one(work, journey_id)
    if found.draft is None:
        raise NothingToPublish(f"journey {journey_id}")
    if found.published is None:
        return []
    new, _ = checked(journey_id, found.published.journey.version + 1, _document(found.draft), known)
    standing: dict[str, int] = {}
    for waiting in await runs.standing_at(work, journey_id):
        standing[waiting.node] = standing.get(waiting.node, 0) + waiting.runs
    return impacts(found.published.journey, new, standing)


async def publish(
    work: Work, journey_id: str, known: Known, *, revision: int, move: Move, by: Actor
) -> tuple[Shown, Sequence[Problem], int]:
    """Makes the draft the version that is entered from now on. Returns it, what may be wrong, and how many runs moved.

    `follow` moves the runs that are on their way and whose node the new version has; the others stay with the version
    that they entered. Raises `UnknownJourney`, `PreconditionFailed`, `NothingToPublish`, `InvalidJourney`.
    """
    found = await _held(work, journey_id, revision)
    if found.draft is None:
        raise NothingToPublish(f"journey {journey_id}")
    version = found.published.journey.version + 1 if found.published else 1
    journey, warnings = checked(journey_id, version, _document(found.draft), known)
    if not await repository.publish(work, [journey], by=by.subject):
        raise PreconditionFailed("somebody has published a version since it was read")
    await repository.delete_draft(work, journey_id)
    moved = await runs.move_versions(work, journey_id, version, list(journey.nodes)) if move == "follow" else 0
    await audit.record(work, by, "journey.published", "journey", journey_id, {"version": [version - 1, version]})
    return await one(work, journey_id), warnings, moved


async def versions(work: Work, journey_id: str) -> Sequence[tuple[StoredVersion, Journey]]:
    """Returns the versions of a journey, the newest first. Raises `UnknownJourney`."""
    await one(work, journey_id)
    journeys = {
        one.journey.version: one.journey for one in await repository.published(work) if one.journey.id == journey_id
    }
    return [(row, journeys[row.version]) for row in await repository.versions(work, journey_id)]


async def set_active(work: Work, journey_id: str, *, active: bool, by: Actor) -> Shown:
    """Runs or pauses a journey. Raises `UnknownJourney`."""
    changed = await repository.set_active(work, journey_id, active=active)
    if changed:
        await audit.record(work, by, f"journey.{'resumed' if active else 'paused'}", "journey", journey_id)
    found = await one(work, journey_id)
    if found.published is None:
        raise UnknownJourney(f"journey {journey_id} has no published version")
    return found


def newest_text(shown: Shown) -> Mapping[str, Any]:
    """Returns the definition of a journey's draft, or if it has none of its newest version."""
    if shown.draft is not None:
        return _document(shown.draft)
    assert shown.published is not None
    return written(shown.published.journey)


def checked(
    journey_id: str, version: int, definition: Mapping[str, Any], known: Known
) -> tuple[Journey, Sequence[Problem]]:
    """Returns the journey that a document defines, and what may be wrong with it. Raises `InvalidJourney`."""
    found = document.read(journey_id, version, definition)
    if not isinstance(found, Journey):
        raise InvalidJourney(found)
    wrong = problems(found, known)
    if errors := [one for one in wrong if not one.warning]:
        raise InvalidJourney(errors)
    return found, wrong


async def _held(work: Work, journey_id: str, revision: int) -> Shown:
    """A journey whose draft is held, of the revision that an edit is of."""
    await repository.draft(work, journey_id, lock=True)
    found = await one(work, journey_id)
    if found.revision != revision:
        raise PreconditionFailed(f"journey {journey_id} is at revision {found.revision}")
    return found


async def _newest(work: Work) -> Mapping[str, Published]:
    newest: dict[str, Published] = {}
    for published in await repository.published(work):
        newest.setdefault(published.journey.id, published)
    return newest


def _document(draft: StoredDraft) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(draft.definition)
    return found


def _text(definition: Mapping[str, Any]) -> str:
    return msgspec.json.encode(definition).decode()
