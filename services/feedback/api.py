"""The routes of feedback."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
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
    ResponsesOut,
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


@router.post("/feedback", status_code=201, summary="Submit an answer to a survey")
async def submit(
    request: Request,
    body: FeedbackIn,
    database: Db,
    caller: Caller,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> FeedbackCreated:
    """Stores the answer and publishes it to the customer's profile. A detractor opens a case.

    A customer's own token may answer for that customer only, and counts once for each of their orders and survey, or
    without one once for each survey and day; `unsolicited` says why an answer beyond that is kept and counts in no
    figure. The same `Idempotency-Key` stores one answer.
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


@router.get("/figures", dependencies=[requires("feedback:read")], summary="NPS or CSAT over a period")
async def figures(
    database: Db, survey: Survey = Survey.NPS, since: Moment | None = None, until: Moment | None = None
) -> FiguresOut:
    """The figures over `[since, until)`; by default the last 30 days."""
    async with database.work() as work:
        end = utc(until) if until else work.now
        start = utc(since) if since else max(end, EARLIEST + DEFAULT_PERIOD) - DEFAULT_PERIOD
        return FiguresOut.model_validate(await service.figures(work, survey, since=start, until=end))


@router.get("/profiles/{profile_id}/responses", summary="A customer's answers, newest first")
async def responses(
    database: Db,
    caller: Caller,
    profile_id: UUID,
    unsolicited: bool | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> ResponsesOut:
    """Those that count in no figure, too, with the reason, unless `unsolicited` says which are wanted. A merged
    profile's id still answers.
    """
    async with database.work() as work:
        await require_customer_or("feedback:read", caller, work, profile_id)
        rows: list[Any] = list(await service.responses_of(work, profile_id, unsolicited=unsolicited, limit=limit))
    return ResponsesOut(responses=rows)


@router.get("/responses/unsolicited", dependencies=[requires("feedback:read")], summary="Answers that nobody asked for")
async def unsolicited_responses(
    database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> UnsolicitedPage:
    """Newest first, each with the reason why it counts in no figure; pass `next` as `cursor` for the page after."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows: list[Any] = list(await service.unsolicited_page(work, after=after, limit=limit))
    last = rows[-1] if len(rows) == limit else None
    return UnsolicitedPage(responses=rows, next=encode_cursor(last["received_at"], last["id"]) if last else None)


@router.get("/cases", dependencies=[requires("feedback:read")], summary="Cases, newest first")
async def cases(
    database: Db,
    status: CaseStatus = CaseStatus.OPEN,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> CasesOut:
    """One page; pass `next` as `cursor` for the page after it."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows: list[Any] = list(await service.cases(work, status, after=after, limit=limit))
    last = rows[-1] if len(rows) == limit else None
    return CasesOut(cases=rows, next=encode_cursor(last["opened_at"], last["id"]) if last else None)


@router.post("/cases/{case_id}/close", dependencies=[requires("feedback:write")], summary="Close a case")
async def close(database: Db, caller: Caller, case_id: UUID, body: CloseIn) -> CaseOut:
    """Says that somebody acted. 409 if the case is closed already."""
    async with database.work() as work:
        row = await service.close_case(work, case_id, by=Actor.of(caller), note=body.note)
    failpoint("feedback.after_close")
    return CaseOut.model_validate(dict(row))
