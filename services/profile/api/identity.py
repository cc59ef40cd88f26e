"""The routes of who is one customer, and why."""

import hashlib
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response

from services.profile.api.profiles import Ref
from services.profile.schemas.identity import IdentityLogOut, NameOut, SplitIn, SplitOut
from services.profile.service import read, splitting
from services.profile.service.splitting import SplitRequest
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, once, requires, scoped_key
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["identity"])
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="the same one splits once"),
]


@router.get(
    "/profiles/{ref:path}/identity-log",
    dependencies=[requires("profile:read")],
    summary="List the decisions about a customer's identity",
)
async def identity_log(database: Db, ref: Ref, limit: Annotated[PageSize, Query()] = 50) -> IdentityLogOut:
    """Returns the decisions that created, linked, merged and split this customer, newest first."""
    async with database.work() as work:
        decisions: list[Any] = list(await read.identity_log(work, ref, limit=limit))
    return IdentityLogOut(decisions=decisions)


@router.post(
    "/profiles/{ref:path}/split",
    status_code=201,
    responses={200: {"model": SplitOut, "description": "the split that was asked for by this key before"}},
    dependencies=[requires("profile:write")],
    summary="Part a customer who is two",
)
async def split(
    request: Request,
    database: Db,
    caller: Caller,
    ref: Ref,
    body: SplitIn,
    response: Response,
    key: IdempotencyKey = None,
) -> SplitOut:
    """Undoes a merge, or takes some identities out. Each of the two is then what their own events make of them, and
    every service follows.

    An event goes with the strongest identity that it names, as it would have had the two never been one; what comes
    later, too. Nothing joins the two again. 409 if one of them would have no event or no identity. The same
    `Idempotency-Key` with the same request returns the first split, with 200; with another request 422.
    """
    company_zone: str = request.app.state.company_time_zone
    names = tuple((one.namespace, one.value) for one in body.identities)
    fingerprint = hashlib.sha256(msgspec.json.encode((ref, body.undo, names, body.reason))).hexdigest()

    async with database.work() as work:

        async def make() -> Any:
            asked = SplitRequest(
                profile_id=await read.resolve(work, ref), undo=body.undo, identities=names, reason=body.reason
            )
            return await splitting.split(work, asked, Actor.of(caller), company_zone=company_zone)

        split_id, is_new = await once(work, scoped_key(caller, "splits", key), fingerprint, make)
        found, moved = await splitting.made(work, split_id)
    if not is_new:
        response.status_code = 200
    return SplitOut(
        id=found.id,
        kept=found.kept,
        separated=found.separated,
        identities=[NameOut(namespace=namespace, value=value) for namespace, value in moved],
        at=found.at,
    )
