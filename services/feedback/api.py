"""The routes of feedback."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from services.feedback import service
from services.feedback.domain import CaseStatus, Survey
from services.feedback.schemas import (
    CaseOut,
    CasesOut,
    CloseIn,
    FeedbackCreated,
    FeedbackIn,
    FiguresOut,
    ResponseOut,
    ResponsesOut,
    UnsolicitedOut,
    UnsolicitedPage,
)
from shared.audit import Actor
from shared.contracts.events import FeedbackSubmitted
from shared.contracts.identity import Identity, Namespace
from shared.errors import Forbidden
from shared.http import (
    Caller,
    Db,
    Moment,
    PageSize,
    decode_cursor,
    encode_cursor,
    once,
    require_customer_or,
    requires,
    scoped_key,
    utc,
)
from shared.http.guarded import GuardedRoute
from shared.service.failpoints import failpoint

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["feedback"])

DEFAULT_PERIOD = timedelta(days=30)
EARLIEST = datetime.min.replace(tzinfo=UTC)


@router.post("/feedback", status_code=201, summary="Submit a response to a survey")
async def submit(
    request: Request,
    body: FeedbackIn,
    database: Db,
    caller: Caller,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> FeedbackCreated:
    """Stores the response and publishes it to the customer's profile. A detractor's response opens a case.

    With their own token, customers respond for themselves only. Such a response counts once for each survey and order,
    or, without an order, once for each survey and day. Further responses are kept and count in no figure; `unsolicited`
    says why. Requests with the same `Idempotency-Key` store one response.
    """
    if body.customer.profile_id is None:
        caller.require("feedback:write")
    identities = [
        Identity(namespace, value)
        for namespace in Namespace
        if (value := getattr(body.customer, namespace.value)) is not None
    ]
    if not caller.scopes and identities:
        raise Forbidden("a customer's token names the customer by profile_id only")
    feedback = FeedbackSubmitted(survey=body.survey, rating=body.rating, text=body.text, order_id=body.order_id)
    async with database.work() as work:
        if body.customer.profile_id is not None:
            await require_customer_or("feedback:write", caller, work, body.customer.profile_id)
        made, _ = await once(
            work,
            scoped_key(caller, "feedback", idempotency_key),
            body.model_dump_json(),
            lambda: service.submit(
                work,
                feedback,
                identities=identities,
                profile_id=body.customer.profile_id,
                by_customer=not caller.scopes,
                partition_secret=request.app.state.partition_secret,
            ),
        )
        unsolicited = await service.unsolicited(work, made)
    failpoint("feedback.after_submit")
    return FeedbackCreated(id=made, unsolicited=unsolicited)


@router.get("/figures", dependencies=[requires("feedback:read")], summary="Compute NPS or CSAT over a period")
async def figures(
    database: Db, survey: Survey = Survey.NPS, since: Moment | None = None, until: Moment | None = None
) -> FiguresOut:
    """Returns the figures over `[since, until)`, by default over the last 30 days."""
    async with database.work() as work:
        end = utc(until) if until else work.now
        start = utc(since) if since else max(end, EARLIEST + DEFAULT_PERIOD) - DEFAULT_PERIOD
        return FiguresOut.model_validate(await service.figures(work, survey, since=start, until=end))


@router.get("/profiles/{profile_id}/responses", summary="List a customer's responses, newest first")
async def responses(
    database: Db,
    caller: Caller,
    profile_id: UUID,
    unsolicited: bool | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> ResponsesOut:
    """Returns the responses that count and, with the reason, those that count in no figure. `unsolicited` selects one
    of the two. The id of a merged profile still works.
    """
    async with database.work() as work:
        await require_customer_or("feedback:read", caller, work, profile_id)
        rows = await service.responses_of(work, profile_id, unsolicited=unsolicited, limit=limit)
    return ResponsesOut(responses=[ResponseOut.model_validate(row) for row in rows])


@router.get(
    "/responses/unsolicited",
    dependencies=[requires("feedback:read")],
    summary="List unsolicited responses, newest first",
)
async def unsolicited_responses(
    database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> UnsolicitedPage:
    """Returns one page, each response with the reason why it counts in no figure. Pass `next` as `cursor` to get the
    page after it.
    """
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await service.unsolicited_page(work, after=after, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    found = [UnsolicitedOut.model_validate(row) for row in rows]
    return UnsolicitedPage(responses=found, next=encode_cursor(last.received_at, last.id) if last else None)


@router.get("/cases", dependencies=[requires("feedback:read")], summary="List cases, newest first")
async def cases(
    database: Db,
    status: CaseStatus = CaseStatus.OPEN,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> CasesOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows = await service.cases(work, status, after=after, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    found = [CaseOut.model_validate(row) for row in rows]
    return CasesOut(cases=found, next=encode_cursor(last.opened_at, last.id) if last else None)


@router.post("/cases/{case_id}/close", dependencies=[requires("feedback:write")], summary="Close a case")
async def close(database: Db, caller: Caller, case_id: UUID, body: CloseIn) -> CaseOut:
    """Closes a case, after somebody acted on it. Responds with 409 if the case is closed already."""
    async with database.work() as work:
        row = await service.close_case(work, case_id, by=Actor.of(caller), note=body.note)
    failpoint("feedback.after_close")
    return CaseOut.model_validate(row)
