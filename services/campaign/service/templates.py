"""Templates as marketers handle them: drafts, versions, and what a template would say to a customer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from services.campaign import content
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.template import document as documents
from services.campaign.domain.template.document import Template
from services.campaign.repository import templates as repository
from services.campaign.repository.templates import StoredTemplate, StoredTemplateVersion
from services.campaign.service import rendering
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import Conflict, Invalid, NotFound, PreconditionFailed

Document = Mapping[str, Any]


class UnknownTemplate(NotFound):
    """There is no such template."""


class TemplateExists(Conflict):
    """There is a template of this id."""


class TemplateIsPublished(Conflict):
    """The template is published as it is."""


class InvalidTemplate(Invalid):
    """The template is not valid."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(_sentence(one) for one in found[:3]))
        self.errors = [
            {"at": one.at, "message": one.message, **({"line": one.line} if one.line else {})} for one in found
        ]


class ShownTemplate(NamedTuple):
    """A template: its newest version, if one is published, and as it is being written, if somebody has written it."""

    template_id: str
    published: StoredTemplateVersion | None
    draft: StoredTemplate | None

    @property
    def revision(self) -> int:
        """What an edit names; 0 for one that came with the service and that nobody has changed."""
        return self.draft.revision if self.draft else 0

    @property
    def document(self) -> Document:
        """As it is being written."""
        stored = self.draft or self.published
        assert stored is not None
        found: Document = msgspec.json.decode(stored.document)
        return found


async def every(work: Work) -> Sequence[ShownTemplate]:
    """Returns all templates, by id."""
    published = {one.id: one for one in await repository.newest(work)}
    drafts = {one.id: one for one in await repository.drafts(work)}
    return [ShownTemplate(one, published.get(one), drafts.get(one)) for one in sorted(published.keys() | drafts.keys())]


async def one(work: Work, template_id: str) -> ShownTemplate:
    """Returns a template. Raises `UnknownTemplate`."""
    found = ShownTemplate(
        template_id,
        next(iter(await repository.versions(work, template_id)), None),
        await repository.draft(work, template_id),
    )
    if found.published is None and found.draft is None:
        raise UnknownTemplate(f"template {template_id}")
    return found


async def create(
    work: Work, template_id: str, document: Document, *, by: Actor
) -> tuple[ShownTemplate, Sequence[Problem]]:
    """Adds a template, which is not sent until it is published. Returns it, and what may be wrong with it.

    Raises `TemplateExists` or `InvalidTemplate`.
    """
    template, warnings = checked(document)
    taken = template_id in content.templates().names or bool(await repository.versions(work, template_id))
    if taken or not await repository.add(work, template_id, _text(template), by=by.subject):
        raise TemplateExists(f"template {template_id}")
    await audit.record(work, by, "template.created", "template", template_id)
    return await one(work, template_id), warnings


async def change(
    work: Work, template_id: str, document: Document, *, revision: int, by: Actor
) -> tuple[ShownTemplate, Sequence[Problem]]:
    """Writes a template; what is published stays. Raises `UnknownTemplate`, `PreconditionFailed`, `InvalidTemplate`."""
    found = await _held(work, template_id, revision)
    template, warnings = checked(document)
    if found.draft is None:
        if not await repository.add(work, template_id, _text(template), by=by.subject):
            raise PreconditionFailed("somebody has written the template since it was read")
    else:
        await repository.change(work, template_id, _text(template), by=by.subject)
    await audit.record(work, by, "template.changed", "template", template_id)
    return await one(work, template_id), warnings


async def publish(work: Work, template_id: str, *, revision: int, by: Actor) -> tuple[ShownTemplate, Sequence[Problem]]:
    """Makes the template as it is written the version that is sent from now on. Returns it, and what may be wrong.

    Raises `UnknownTemplate`, `PreconditionFailed`, `TemplateIsPublished`, `InvalidTemplate`.
    """
    found = await _held(work, template_id, revision)
    template, warnings = checked(found.document)
    if found.published is not None and found.published.digest == repository.digest_of(template):
        raise TemplateIsPublished(f"template {template_id}, version {found.published.version}")
    before = found.published.version if found.published else 0
    if not await repository.publish(work, template_id, before + 1, template, by=by.subject):
        raise PreconditionFailed("somebody has published a version since it was read")
    await audit.record(work, by, "template.published", "template", template_id, {"version": [before, before + 1]})
    return await one(work, template_id), warnings


async def versions(work: Work, template_id: str) -> Sequence[StoredTemplateVersion]:
    """Returns the versions of a template, the newest first. Raises `UnknownTemplate`."""
    await one(work, template_id)
    return await repository.versions(work, template_id)


def checked(document: Document) -> tuple[Template, Sequence[Problem]]:
    """Returns the template that a document has, and what may be wrong with it. Raises `InvalidTemplate`."""
    template = documents.read(document)
    if not isinstance(template, Template):
        raise InvalidTemplate(template)
    found = rendering.problems(template)
    if errors := [one for one in found if not one.warning]:
        raise InvalidTemplate(errors)
    return template, found


async def _held(work: Work, template_id: str, revision: int) -> ShownTemplate:
    await repository.draft(work, template_id, lock=True)
    found = await one(work, template_id)
    if found.revision != revision:
        raise PreconditionFailed(f"template {template_id} is at revision {found.revision}")
    return found


def _sentence(problem: Problem) -> str:
    line = f", line {problem.line}" if problem.line else ""
    return f"{problem.at or '/'}{line}: {problem.message}"


def _text(template: Template) -> str:
    return msgspec.json.encode(template).decode()
