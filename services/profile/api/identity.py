"""The routes of who is one customer, and why."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.profile.api.profiles import Ref
from services.profile.domain import explaining
from services.profile.domain.parting import Name
from services.profile.schemas.identity import (
    ErasureOut,
    ExplanationOut,
    IdentityLogOut,
    MergeStepOut,
    NameOut,
    SplitIn,
    SplitOut,
    WordsOut,
)
from services.profile.service import erasing, lifting_splits, read, splitting
from services.profile.service.splitting import SplitRequest
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, Text, once, requires, scoped_key
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["identity"])
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="the same one splits once"),
]
SplitId = Annotated[UUID, Path(description="the id of the split", examples=["019c0000-0000-7000-8000-000000000002"])]
Reason = Annotated[Text, Query(max_length=500, description="why, for whoever reads the identity log")]


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


@router.get(
    "/profiles/{ref:path}/explain",
    dependencies=[requires("profile:read")],
    summary="Explain why several customers became one",
)
async def explain(database: Db, ref: Ref) -> ExplanationOut:
    """Returns each merge with the event behind it, in words. One that a split undid is not among them."""
    async with database.work() as work:
        root, found = await read.explained(work, ref)
    return ExplanationOut(
        profile_id=root,
        steps=[
            MergeStepOut(
                **one.merge._asdict(),
                names=_names(one.survivor_by),
                other_names=_names(one.other_by),
                words=WordsOut(en=explaining.in_english(one), zh=explaining.in_chinese(one)),
            )
            for one in found
        ],
    )


def _names(names: Iterable[Name]) -> list[NameOut]:
    return [NameOut(namespace=namespace, value=value) for namespace, value in names]


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
        identities=_names(moved),
        at=found.at,
    )


@router.delete(
    "/profiles/{ref:customer}",
    dependencies=[requires("profile:admin")],
    summary="Erase a customer, here and everywhere",
)
async def erase(database: Db, caller: Caller, ref: Ref) -> ErasureOut:
    """Deletes timeline, orders, identities, traits and figures at once, and has every other service delete its own.

    It can't be undone. Who is given by a profile id and was erased before is answered with that erasure. A repeat of an
    event from before changes nothing; an event that comes later and names one of the identities begins a new customer.
    What the broker keeps of the customer goes when its time of keeping is over, and what ingest refused of them by
    `POST /v1/erasures` there.
    """
    async with database.work() as work:
        found, named = await erasing.erase(work, ref, Actor.of(caller))
    return ErasureOut(
        profile_id=found.canonical_id, erased_at=found.erased_at, events=found.events, identities=_names(named)
    )


@router.delete(
    "/splits/{split_id}",
    status_code=204,
    dependencies=[requires("profile:write")],
    summary="Lift a split: evidence may join the two again",
)
async def lift(database: Db, caller: Caller, split_id: SplitId, reason: Reason = "") -> None:
    """The two stay two; the next event that states that they are one joins them. Lifted again, it changes nothing."""
    async with database.work() as work:
        await lifting_splits.lift(work, split_id, Actor.of(caller), reason=reason)
