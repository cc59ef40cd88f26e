"""Programmes as somebody defines them: read, changed, published. A definition that is invalid is never stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from services.segment.domain.documents import DefinitionProblem, InvalidDefinition
from services.segment.domain.programmes.definition import DEFAULT, Programme, parse
from services.segment.repository import standings
from services.segment.repository.programmes import customers, versions
from services.segment.repository.programmes.versions import Rollout, StoredProgramme
from shared import audit
from shared.audit import Actor, difference
from shared.database import aliases
from shared.database.database import Work
from shared.database.rows import Json
from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.service.logging import get_logger

MAX_PROGRAMMES: Final = 10  # each is looked at with each event of a customer
KIND: Final = "programme"  # in the audit log
AT: Final = "/definition"  # where a request has the definition

log: Final = get_logger(__name__)


class UnknownProgramme(NotFound):
    """There is no such programme."""


class TooManyProgrammes(Conflict):
    """There are as many programmes as can be."""


class ShownProgramme(msgspec.Struct, frozen=True):
    """The newest version of a programme, which version is in force, and how far its roll-out is."""

    newest: StoredProgramme
    in_force: int | None
    rollout: Rollout | None


async def publish(work: Work) -> None:
    """Publishes the programme that comes with the service, unless there is one."""
    if await versions.publish(work):
        work.afterwards.append(partial(log.info, "programme.published", programme=DEFAULT))


async def every(work: Work) -> Sequence[ShownProgramme]:
    """Returns all programmes by id."""
    in_force = (await versions.in_force(work, since=work.now)).at(work.now)
    rollouts = {one.programme: one for one in await versions.rollouts(work)}
    return [
        ShownProgramme(one, in_force[one.id].version if one.id in in_force else None, rollouts.get(one.id))
        for one in await versions.newest(work)
    ]


async def one(work: Work, programme: str) -> ShownProgramme:
    """Returns a programme. Raises `UnknownProgramme`."""
    found = next((one for one in await every(work) if one.newest.id == programme), None)
    if found is None:
        raise UnknownProgramme(f"no programme {programme}")
    return found


async def every_version(work: Work, programme: str) -> Sequence[StoredProgramme]:
    """Returns every version of a programme, the newest first. Raises `UnknownProgramme`."""
    found = await versions.versions(work, programme)
    if not found:
        raise UnknownProgramme(f"no programme {programme}")
    return found


async def counts(work: Work, programme: str) -> Mapping[str, int]:
    """Returns how many customers each tier of a programme in force has, as of what was looked at last."""
    definition = (await versions.in_force(work, since=work.now)).at(work.now)[programme].programme
    found = {one.name: 0 for one in definition.tiers}
    if programme == DEFAULT:
        for row in await standings.counts(work):
            found[row.tier] = found.get(row.tier, 0) + row.customers
        return found
    found |= await customers.counts(work, programme)
    found[definition.lowest] += await customers.customers(work) - sum(found.values())
    return found


async def save(
    work: Work, programme: str, document: object, *, version: int, effective_at: datetime | None, by: Actor
) -> None:
    """Stores the next version of a programme, or the first where `version` is 0. It takes effect at `effective_at`.

    Guarantee: every batch that begins after this is committed goes by it from that moment on, and none that began
    before is still under way. Raises `InvalidDefinition`, and `PreconditionFailed` if `version` is not the newest.
    """
    definition = _parsed(document, effective_at, work.now)
    # Batches hold this lock shared from their begin to their end: none may go by the version before after this one.
    await aliases.lock_merges(work)
    known = {one.id: one for one in await versions.newest(work)}
    before = known.get(programme)
    if version != (before.version if before else 0):
        raise PreconditionFailed(f"version {before.version if before else 0} is the newest")
    if before is None and len(known) >= MAX_PROGRAMMES:
        raise TooManyProgrammes(f"there are {len(known)}: change one of them")
    next_one = StoredProgramme(
        id=programme,
        version=version + 1,
        definition=Json(msgspec.json.encode(definition).decode()),
        effective_at=effective_at or work.now,
        author=by.subject,
        made_at=work.now,
    )
    if not await versions.add(work, next_one):
        raise PreconditionFailed(f"version {version + 1} was made at the same time")
    change: dict[str, Any] = {**difference(_plain(before), {**msgspec.to_builtins(definition), "version": version + 1})}
    change["effective_at"] = next_one.effective_at.isoformat()
    await audit.record(work, by, "programme.changed" if before else "programme.created", KIND, programme, change)


def _parsed(document: object, effective_at: datetime | None, now: datetime) -> Programme:
    late = (
        [DefinitionProblem("/effective_at", f"{effective_at.isoformat()} has passed")]
        if (effective_at is not None and effective_at < now)
        else []
    )
    try:
        definition = parse(document, at=AT)
    except InvalidDefinition as error:
        raise InvalidDefinition([*error.problems, *late]) from error
    if late:
        raise InvalidDefinition(late)
    return definition


def _plain(before: StoredProgramme | None) -> dict[str, Any]:
    if before is None:
        return {}
    found: dict[str, Any] = {**msgspec.json.decode(before.definition), "version": before.version}
    return found
