"""`GET /v1/customer-data/{profile_id}`, in every service that keeps something of customers."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from shared.customer_data import rows
from shared.customer_data.rows import Kept
from shared.database import aliases
from shared.database.database import Database
from shared.http import Db, requires
from shared.http.guarded import GuardedRoute

EXAMPLE: Final = "019c0000-0000-7000-8000-000000000002"
ProfileId = Annotated[UUID, Path(description="any id that the customer ever had", examples=[EXAMPLE])]
ROWS: Final = 1_000  # of one table, read in one transaction
_NDJSON: Final = "application/x-ndjson"
_LINES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {_NDJSON: {"schema": {"type": "string"}}}}}


@cache
def router_of(service: str) -> APIRouter:
    """Returns the route, under the service's admin scope. `app.state.customer_data` says where customers' rows are."""
    router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["operations"])

    @router.get(
        "/customer-data/{profile_id}",
        dependencies=[requires(f"{service}:admin")],
        summary="Stream all that this service keeps of one customer",
        response_class=StreamingResponse,
        responses=_LINES,
    )
    async def customer_data(request: Request, database: Db, profile_id: ProfileId) -> StreamingResponse:
        """Returns one JSON object a line: first the ids of the customer, then each row with its table. The last line is
        `{"end": rows}`, without which the stream was cut off. Of who is not known there are no rows.

        The rows are as they are kept, under every id that the customer ever had. Ask every service for the whole.
        """
        kept: Kept = request.app.state.customer_data
        async with database.work() as work:
            ids = await aliases.names(work, profile_id)
            conditions = await rows.conditions(work, kept)
        return StreamingResponse(_lines(service, database, conditions, ids), media_type=_NDJSON)

    return router


async def _lines(
    service: str, database: Database, conditions: Mapping[str, str], ids: Sequence[UUID]
) -> AsyncIterator[bytes]:
    yield _line({"service": service, "profile_ids": [str(one) for one in ids]})
    told = 0
    for table, condition in conditions.items():
        after = 0
        while True:
            async with database.work() as work:
                found = await rows.page(work, table, condition, ids, after=after, limit=ROWS)
            for one in found:
                yield _line({"table": table, "row": msgspec.Raw(one.encode())})
            after += len(found)
            if len(found) < ROWS:
                break
        told += after
    yield _line({"end": told})


def _line(content: Any) -> bytes:
    return msgspec.json.encode(content) + b"\n"
