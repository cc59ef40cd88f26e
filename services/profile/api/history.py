"""The routes by which others read the history of all customers."""

from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from services.profile.schemas.profiles import TimelineEnds
from services.profile.service import history
from services.profile.service.history import CustomerPage, ProfilesPage, Reading
from shared.contracts.envelope import Event
from shared.contracts.history import Position, event_line, progress_line
from shared.contracts.topics import PARTITIONS
from shared.database.database import Database
from shared.http import Db, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["history"])

MAX_POSITION: Final = 2_000  # characters: of a hundred origins
MAX_TYPES: Final = 2_000  # characters: all types are some 700
_UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_LANE: Final = "-?[0-9]{1,13}:-?[0-9]{1,13}"
# Told, and not enforced: what is wrong is told in more words.
POSITION: Final = rf"^((old:{_UUID}|{_LANE})(,{_LANE})*)?$"
PROFILES_POSITION: Final = rf"^((merge|profile):{_UUID})?$"
_NDJSON: Final = "application/x-ndjson"
_LINES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {_NDJSON: {"schema": {"type": "string"}}}}}


# Before `/profiles/{ref}`, which matches everything below it.
@router.get(
    "/profiles/export",
    dependencies=[requires("profile:read")],
    summary="Stream every profile as it stands",
    response_class=StreamingResponse,
    responses=_LINES,
)
async def profiles_export(
    request: Request,
    database: Db,
    after: Annotated[
        str,
        Query(
            description="where to go on: the `position` of the last line that has one, or `merge:` and the merged id, "
            "or `profile:` and the profile's id, of the last event. Without it: from the beginning",
            max_length=60,
            json_schema_extra={"pattern": PROFILES_POSITION},
        ),
    ] = "",
) -> StreamingResponse:
    """Returns one JSON object a line: who was merged into whom, then each profile's newest change.

    A line is an event of `rapport.profiles.v1` in CloudEvents' JSON format; the last line is `{"end": …}`, without
    which the stream was cut off. What changes meanwhile is published on the topic.
    """
    company_zone: str = request.app.state.company_time_zone
    async with database.work() as work:
        first = await history.next_profiles(work, history.profiles_position_of(after), company_zone=company_zone)
    return StreamingResponse(_profiles(database, first, company_zone), media_type=_NDJSON)


@router.get(
    "/timeline/export",
    dependencies=[requires("profile:read")],
    summary="Stream the events of all customers as they were published",
    response_class=StreamingResponse,
    responses=_LINES,
)
async def timeline_export(
    database: Db,
    partition: Annotated[
        int | None,
        Query(
            description="the partition of `rapport.profile-events.v1` whose events to read; without it all of them",
            ge=0,
            lt=PARTITIONS,
        ),
    ] = None,
    after: Annotated[
        str,
        Query(
            description="where to go on: by origin the highest sequence that the reader has, and the last old event; "
            "the `position` or `end` of a line is one. Without it: from the beginning",
            examples=["old:ffffffff-ffff-ffff-ffff-ffffffffffff,0:1250,3:77"],
            max_length=MAX_POSITION,
            json_schema_extra={"pattern": POSITION},
        ),
    ] = "",
    types: Annotated[
        str | None,
        Query(
            description="types of events by comma, without version; without it all of them",
            examples=["order_placed,order_cancelled,order_refunded,order_reassigned"],
            max_length=MAX_TYPES,
            json_schema_extra={"pattern": "^[a-z_]+(,[a-z_]+)*$"},
        ),
    ] = None,
) -> StreamingResponse:
    """Returns one JSON object a line, each an event of `rapport.profile-events.v1` in CloudEvents' JSON format.

    In order within each origin. A line `{"position": …}` says how far the stream has come; the last line, `{"end": …}`,
    says up to which sequence of each origin it holds everything. Without that line the stream was cut off.
    """
    position, wanted = history.position_of(after), history.types_of(types)
    async with database.work() as work:
        reading = await history.begin(work, partition, wanted)
    return StreamingResponse(_timeline(database, reading, position), media_type=_NDJSON)


@router.get("/timeline/ends", dependencies=[requires("profile:read")], summary="Tell how far the history goes")
async def timeline_ends(database: Db) -> TimelineEnds:
    """Returns, for each partition, the position of a reader who has all that was published until now."""
    async with database.work() as work:
        return TimelineEnds(ends=list(await history.ends(work)))


@router.get(
    "/timeline/export/{profile_id}",
    dependencies=[requires("profile:read")],
    summary="Stream the events of one customer as they were published",
    response_class=StreamingResponse,
    responses=_LINES,
)
async def customer_export(
    database: Db,
    profile_id: Annotated[
        UUID,
        Path(
            description="the profile's id, or one that was merged into it",
            examples=["0190f2c4-8a3b-7c1d-9e5f-2b6a4d8c0e71"],
        ),
    ],
) -> StreamingResponse:
    """Returns one JSON object a line, each an event that is this customer's now, in CloudEvents' JSON format.

    The last line is `{"end": ""}`, without which the stream was cut off: ask again. An id that was merged away is that
    of the customer who stands for it; of an id that nobody has there is no event.
    """
    async with database.work() as work:
        first = await history.next_of_customer(work, profile_id, None)
    return StreamingResponse(_customer(database, profile_id, first), media_type=_NDJSON)


async def _customer(database: Database, profile_id: UUID, page: CustomerPage) -> AsyncIterator[bytes]:
    while page.after is not None:
        yield b"".join(event_line(event) for event in page.events)
        async with database.work() as work:
            page = await history.next_of_customer(work, profile_id, page.after)
    yield _lines(page.events, "", ended=True)


async def _timeline(database: Database, reading: Reading, position: Position) -> AsyncIterator[bytes]:
    ended = False
    while not ended:
        async with database.work() as work:
            page = await history.next_page(work, reading, position)
        position, ended = page.position, page.ended
        yield _lines(page.events, str(position), ended=ended)


async def _profiles(database: Database, page: ProfilesPage, company_zone: str) -> AsyncIterator[bytes]:
    while True:
        yield _lines(page.events, str(page.position), ended=page.ended)
        if page.ended:
            return
        async with database.work() as work:
            page = await history.next_profiles(work, page.position, company_zone=company_zone)


def _lines(events: Iterable[Event], position: str, *, ended: bool) -> bytes:
    return b"".join([*(event_line(event) for event in events), progress_line(position, ended=ended)])
