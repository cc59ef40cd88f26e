"""Templates: drafts, versions, previews and tests."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response

from services.campaign.domain.delivery import Accepted, Message, Reply, kind
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.schemas.templates import (
    PreviewIn,
    PreviewOut,
    RenderedOut,
    TemplateChange,
    TemplateIn,
    TemplateOut,
    TemplateSaved,
    TemplatesOut,
    TemplateVersionOut,
    TemplateVersionsOut,
    TemplateWarningOut,
    TestSendIn,
    TestSendOut,
)
from services.campaign.service import previewing, templates
from services.campaign.service.definitions import SINGLE
from services.campaign.service.rules import Rules
from services.campaign.service.templates import ShownTemplate
from shared.audit import Actor
from shared.http import Caller, Db, EditOf, etag, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["templates"])
Id = Annotated[str, Path(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80, description="a template's id")]


@router.get("/templates", dependencies=[requires("campaign:read")], summary="List templates")
async def every(database: Db) -> TemplatesOut:
    """Returns each template as it is being written, with its newest version."""
    async with database.work() as work:
        return TemplatesOut(templates=[TemplateOut(**_fields(one)) for one in await templates.every(work)])


@router.post("/templates", status_code=201, dependencies=[requires("campaign:write")], summary="Create a template")
async def create(database: Db, caller: Caller, body: TemplateIn, response: Response) -> TemplateSaved:
    """Creates a template, which is not sent until it is published. Returns it with its `ETag`. 409 if the id is taken.

    422 has each mistake with its place, a JSON pointer into the document, and its line there. Variables that there are
    not are warnings.
    """
    async with database.work() as work:
        shown, problems = await templates.create(work, body.id, body.document, by=Actor.of(caller))
    response.headers["ETag"] = etag(shown.revision)
    return TemplateSaved(**_fields(shown), warnings=TemplateWarningOut.all_of(problems))


@router.get("/templates/{template_id}", dependencies=[requires("campaign:read")], summary="Read a template")
async def one(database: Db, template_id: Id, response: Response) -> TemplateOut:
    """Returns the template as it is being written, with its `ETag`, for an edit."""
    async with database.work() as work:
        shown = await templates.one(work, template_id)
    response.headers["ETag"] = etag(shown.revision)
    return TemplateOut(**_fields(shown))


@router.put("/templates/{template_id}", dependencies=[requires("campaign:write")], summary="Change a template")
async def change(
    database: Db, caller: Caller, template_id: Id, body: TemplateChange, revision: EditOf, response: Response
) -> TemplateSaved:
    """What is published is sent as it is until this is. 412 if somebody changed it since it was read."""
    async with database.work() as work:
        shown, problems = await templates.change(
            work, template_id, body.document, revision=revision, by=Actor.of(caller)
        )
    response.headers["ETag"] = etag(shown.revision)
    return TemplateSaved(**_fields(shown), warnings=TemplateWarningOut.all_of(problems))


@router.post(
    "/templates/{template_id}/publish", dependencies=[requires("campaign:write")], summary="Publish a template"
)
async def publish(database: Db, caller: Caller, template_id: Id, revision: EditOf, response: Response) -> TemplateSaved:
    """Makes the template as it is written a version, which never changes, and which every message is made by from now
    on, those that wait included. 409 if it is published as it is.
    """
    async with database.work() as work:
        shown, problems = await templates.publish(work, template_id, revision=revision, by=Actor.of(caller))
    response.headers["ETag"] = etag(shown.revision)
    return TemplateSaved(**_fields(shown), warnings=TemplateWarningOut.all_of(problems))


@router.get(
    "/templates/{template_id}/versions", dependencies=[requires("campaign:read")], summary="List a template's versions"
)
async def versions(database: Db, template_id: Id) -> TemplateVersionsOut:
    """Returns what was ever published, newest first."""
    async with database.work() as work:
        rows = await templates.versions(work, template_id)
    return TemplateVersionsOut(
        versions=[
            TemplateVersionOut(
                version=row.version,
                published_at=row.published_at,
                published_by=row.published_by,
                document=msgspec.json.decode(row.document),
            )
            for row in rows
        ]
    )


@router.post(
    "/templates/{template_id}/preview",
    dependencies=[requires("campaign:read")],
    summary="See what a customer would get, and whether it would leave",
)
async def preview(request: Request, database: Db, template_id: Id, body: PreviewIn) -> PreviewOut:
    """Fills the template in as it is being written, and asks the gate. Nothing is sent, nor written down."""
    definition = MessageDefinition(
        id=SINGLE, version=1, channel=body.channel, purpose=body.purpose, template=template_id
    )
    async with database.work() as work:
        found = await previewing.preview(
            work, _rules(request), template_id, body.profile_id, definition, body.properties
        )
    return PreviewOut(
        would_leave=found.would_leave,
        reason=found.reason,
        language=found.shown.language,
        missing=list(found.shown.missing),
        rendered=RenderedOut.model_validate(found.shown.rendered),
    )


@router.post(
    "/templates/{template_id}/test-send",
    dependencies=[requires("campaign:write")],
    summary="Send a template to somebody of the staff",
)
async def test_send(request: Request, database: Db, caller: Caller, template_id: Id, body: TestSendIn) -> TestSendOut:
    """Sends one mail by the template as it is being written, with made-up values and `[test]` before its subject, to
    one address, and returns the provider's answer. It is no message of a customer: no consent is asked, no cap counts
    it. 409 while all sending is stopped.
    """
    async with database.work() as work:
        mail, shown = await previewing.prepare_test(
            work, _rules(request), template_id, body.to, body.language, body.properties, by=Actor.of(caller)
        )
    hand_over: Callable[[Message], Awaitable[Reply]] = request.app.state.send_test
    reply = await hand_over(mail)
    detail = "" if isinstance(reply, Accepted) else str(getattr(reply, "reason", "") or getattr(reply, "reply", ""))
    return TestSendOut(result=kind(reply), detail=detail, language=shown.language, missing=list(shown.missing))


def _fields(shown: ShownTemplate) -> Mapping[str, Any]:
    return {
        "id": shown.template_id,
        "revision": shown.revision,
        "version": shown.published.version if shown.published else None,
        "document": shown.document,
        "updated_at": shown.draft.updated_at if shown.draft else None,
        "updated_by": shown.draft.updated_by if shown.draft else None,
    }


def _rules(request: Request) -> Rules:
    rules: Rules = request.app.state.rules
    return rules
