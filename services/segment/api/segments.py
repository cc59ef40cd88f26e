"""Segments: who is defined to be in them, who is, and why."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from services.segment.domain.conditions.base import Problem
from services.segment.schemas.segments import (
    AnswerOut,
    AnswersOut,
    ClauseOut,
    ConditionIn,
    EvaluateIn,
    ExplanationOut,
    MemberOut,
    MembershipOut,
    MembershipsOut,
    MembersOut,
    OverlapOut,
    PreviewOut,
    SegmentChange,
    SegmentIn,
    SegmentOut,
    SegmentSaved,
    SegmentsOut,
    SegmentVersionOut,
    SegmentVersionsOut,
    WarningOut,
)
from services.segment.service import segments
from services.segment.service.positions import Position, require_read
from services.segment.service.segments import SegmentRow
from shared.audit import Actor
from shared.database.database import Database, Work
from shared.http import Caller, Db, EditOf, PageSize, decode_cursor, encode_cursor, etag, require_customer_or, requires
from shared.http.guarded import GuardedRoute

EXPORT_PAGE: Final = 5_000  # members a transaction

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["segments"])
Id = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a segment's id, such as no-order-30-days")]
State = Literal["draft", "live", "archived"]


@router.post("/segments", status_code=201, dependencies=[requires("segment:write")], summary="Create a segment")
async def create(database: Db, caller: Caller, body: SegmentIn, response: Response) -> SegmentSaved:
    """Creates a draft, which does nothing until it is published. Returns it with its `ETag`. 409 if the id is taken.

    422 where nobody could ever meet the condition; what is odd about it, as a name that nobody has seen, is a warning.
    """
    async with database.work() as work:
        row = await segments.create(
            work,
            body.id,
            name=body.name,
            description=body.description,
            document=body.condition,
            by=Actor.of(caller),
        )
        return await _saved(work, row, {}, response)


@router.get("/segments", dependencies=[requires("segment:read")], summary="List segments")
async def every(
    database: Db, state: State | None = None, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> SegmentsOut:
    """Returns one page, by id, with sizes. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[str])[0] if cursor else None
    async with database.work() as work:
        rows = await segments.every(work, state=state, after=after, limit=limit)
        sizes = await segments.sizes(work)
    following = encode_cursor(rows[-1].id) if len(rows) == limit else None
    return SegmentsOut(segments=[_out(row, sizes) for row in rows], next=following)


@router.get("/segments/{segment_id}", dependencies=[requires("segment:read")], summary="Read a segment")
async def one(database: Db, segment_id: Id, response: Response) -> SegmentOut:
    """Returns the segment with its `ETag`, for an edit."""
    async with database.work() as work:
        return _shown(await segments.one(work, segment_id), await segments.sizes(work), response)


@router.put("/segments/{segment_id}", dependencies=[requires("segment:write")], summary="Change a segment's draft")
async def change(
    database: Db, caller: Caller, segment_id: Id, body: SegmentChange, revision: EditOf, response: Response
) -> SegmentSaved:
    """What is live stays as it is until the draft is published. 412 if somebody changed it since it was read."""
    async with database.work() as work:
        row = await segments.change(
            work,
            segment_id,
            revision=revision,
            name=body.name,
            description=body.description,
            document=body.condition,
            by=Actor.of(caller),
        )
        return await _saved(work, row, await segments.sizes(work), response)


@router.post(
    "/segments/{segment_id}/publish", dependencies=[requires("segment:write")], summary="Publish a segment's draft"
)
async def publish(database: Db, caller: Caller, segment_id: Id, revision: EditOf, response: Response) -> SegmentSaved:
    """Makes the draft a version that is in force at once. Customers whom it concerns enter and leave with the cause
    `defined` or `redefined`, which sets off no journey unless the journey asks for it.
    """
    async with database.work() as work:
        row = await segments.publish(work, segment_id, revision=revision, by=Actor.of(caller))
        return await _saved(work, row, await segments.sizes(work), response)


@router.post("/segments/{segment_id}/archive", dependencies=[requires("segment:write")], summary="Archive a segment")
async def archive(database: Db, caller: Caller, segment_id: Id, revision: EditOf, response: Response) -> SegmentOut:
    """Ends a segment: nobody is in it any more. 409 if another that is live asks about it."""
    async with database.work() as work:
        row = await segments.archive(work, segment_id, revision=revision, by=Actor.of(caller))
        return _shown(row, {}, response)


@router.get(
    "/segments/{segment_id}/versions", dependencies=[requires("segment:read")], summary="List a segment's versions"
)
async def versions(database: Db, segment_id: Id) -> SegmentVersionsOut:
    """Returns what was ever published, newest first, with how far the base was looked at by it."""
    async with database.work() as work:
        rows = await segments.versions(work, segment_id)
    return SegmentVersionsOut(
        versions=[
            SegmentVersionOut(
                version=row.version,
                name=row.name,
                condition=_document(row.condition),
                author=row.author,
                effective_at=row.effective_at,
                backfilled_at=row.backfilled_at,
                looked_at=row.looked_at,
            )
            for row in rows
        ]
    )


@router.get(
    "/segments/{segment_id}/members", dependencies=[requires("segment:read")], summary="List a segment's members"
)
async def members(
    database: Db, segment_id: Id, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> MembersOut:
    """Returns one page, by customer id. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[UUID])[0] if cursor else None
    async with database.work() as work:
        rows = await segments.members(work, segment_id, after=after, limit=limit)
    following = encode_cursor(rows[-1].profile_id) if len(rows) == limit else None
    shown = [MemberOut(profile_id=row.profile_id, since=row.since, due_at=row.due_at) for row in rows]
    return MembersOut(members=shown, next=following)


@router.get(
    "/segments/{segment_id}/members/export",
    dependencies=[requires("segment:read")],
    summary="Export a segment's members",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "one member a line, by customer id"}},
)
async def export(database: Db, segment_id: Id, cursor: str | None = None) -> StreamingResponse:
    """Streams all members, a JSON object a line, in order of their ids. Pass an id's cursor to go on after a cut."""
    after = decode_cursor(cursor, tuple[UUID])[0] if cursor else None
    async with database.work() as work:
        await segments.members(work, segment_id, after=after, limit=1)
    return StreamingResponse(_lines(database, segment_id, after), media_type="application/x-ndjson")


async def _lines(database: Database, segment_id: str, after: UUID | None) -> AsyncIterator[bytes]:
    while True:
        async with database.work() as work:
            rows = await segments.members(work, segment_id, after=after, limit=EXPORT_PAGE)
        if not rows:
            return
        after = rows[-1].profile_id
        yield b"".join(
            msgspec.json.encode({"profile_id": row.profile_id, "since": row.since, "due_at": row.due_at}) + b"\n"
            for row in rows
        )


@router.get(
    "/segments/{segment_id}/overlap/{other}", dependencies=[requires("segment:read")], summary="Compare two segments"
)
async def overlap(
    database: Db,
    segment_id: Id,
    other: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="another segment's id")],
) -> OverlapOut:
    """Returns how many customers are in each, and in both."""
    async with database.work() as work:
        both = await segments.overlap(work, segment_id, other)
        sizes = await segments.sizes(work)
    return OverlapOut(
        segment_id=segment_id,
        members=sizes.get(segment_id, 0),
        other=other,
        other_members=sizes.get(other, 0),
        both=both,
    )


@router.get(
    "/segments/{segment_id}/explain/{profile_id}",
    dependencies=[requires("segment:read")],
    summary="Explain why a customer is in a segment or not",
)
async def explain(database: Db, segment_id: Id, profile_id: UUID) -> ExplanationOut:
    """Returns each clause: true, false or unknown, what would change it, and when it turns by itself."""
    async with database.work() as work:
        found = await segments.explained(work, segment_id, profile_id)
    return ExplanationOut(
        profile_id=found.profile_id,
        segment_id=segment_id,
        member=found.member,
        since=found.since,
        turns_at=found.turns_at,
        clause=ClauseOut.model_validate(msgspec.to_builtins(found.clause)),
    )


@router.get("/profiles/{profile_id}/segments", summary="List the segments that a customer is in")
async def of_customer(database: Db, caller: Caller, profile_id: UUID) -> MembershipsOut:
    """Returns the live segments that the customer is in, by id. The id of a merged profile still works."""
    async with database.work() as work:
        await require_customer_or("segment:read", caller, work, profile_id)
        rows = await segments.of_customer(work, profile_id)
    shown = [
        MembershipOut(segment_id=row.segment_id, version=row.version, since=row.since, due_at=row.due_at)
        for row in rows
    ]
    return MembershipsOut(profile_id=profile_id, segments=shown)


@router.post("/conditions/preview", dependencies=[requires("segment:read")], summary="Preview a condition")
async def preview(database: Db, body: ConditionIn) -> PreviewOut:
    """Returns how many customers meet the condition now, exactly, and some of them. Nothing is saved."""
    async with database.work() as work:
        found = await segments.preview(work, body.condition)
        odd = await segments.warnings(work, body.condition)
    return PreviewOut(matches=found.matches, of=found.of, sample=list(found.sample), warnings=_warnings(odd))


@router.post("/conditions/evaluate", dependencies=[requires("segment:read")], summary="Ask a condition of customers")
async def evaluate(database: Db, body: EvaluateIn) -> AnswersOut:
    """Returns what is true of each of up to 500 customers now; null where it is unknown.

    With `after`, the answer is not older than those events: until segment has read them, it is 425. Try again later.
    """
    async with database.work() as work:
        asked = [Position(**one.model_dump()) for one in body.after]
        await require_read(work, asked, body.profile_ids)
        found = await segments.evaluate(work, body.condition, body.profile_ids)
    return AnswersOut(answers=[AnswerOut(profile_id=one, answer=answer) for one, answer in found.items()])


async def _saved(work: Work, row: SegmentRow, sizes: Mapping[str, int], response: Response) -> SegmentSaved:
    odd = await segments.warnings(work, _document(row.draft))
    return SegmentSaved(**_shown(row, sizes, response).model_dump(), warnings=_warnings(odd))


def _warnings(odd: Iterable[Problem]) -> list[WarningOut]:
    return [WarningOut(at=one.pointer or "/", message=one.detail) for one in odd]


def _shown(row: SegmentRow, sizes: Mapping[str, int], response: Response) -> SegmentOut:
    response.headers["ETag"] = etag(row.revision)
    return _out(row, sizes)


def _out(row: SegmentRow, sizes: Mapping[str, int]) -> SegmentOut:
    stored = msgspec.structs.asdict(row)
    members_of = sizes.get(row.id, 0) if row.state == "live" else None
    return SegmentOut(**{**stored, "draft": _document(row.draft)}, members=members_of)


def _document(text: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
