"""The routes of profile."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.convertors import PathConvertor, register_url_convertor

from services.profile.schemas.profiles import (
    ConsentsOut,
    ProfileOut,
    ProfilesOut,
    SharedValuesOut,
    TimelineOut,
    TotalsOut,
)
from services.profile.service import read
from shared.contracts.identity import Namespace
from shared.database.database import Work
from shared.errors import Forbidden, Invalid
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, require_customer_or, requires
from shared.http.auth import Principal
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["profiles"])

_NAMESPACES = "|".join(Namespace)
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
REF = rf"^({_UUID}|({_NAMESPACES}|user_id@[a-z0-9]([a-z0-9-]{{0,38}}[a-z0-9])?):.+)$"  # told, and not enforced
Ref = Annotated[
    str,
    Path(
        description="a profile id, or namespace:value",
        examples=["user_id:42", "email:ann@example.com", "user_id@shop-a:42"],
        max_length=300,
        json_schema_extra={"pattern": REF},
    ),
]


class _CustomerAlone(PathConvertor):
    """A customer's name, which may hold slashes; what is below a customer is another address, and no other method's."""

    regex = "(?!export$)(?!.*/(?:timeline|consents|identity-log|explain|split)$).*"


register_url_convertor("customer", _CustomerAlone())


@router.get("/profiles", dependencies=[requires("profile:read")], summary="Search customers, most recently seen first")
async def search(
    database: Db,
    q: Annotated[
        str | None, Query(description="what one of the customer's identities begins with", min_length=2, max_length=256)
    ] = None,
    min_orders: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> ProfilesOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it."""
    before = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows: list[Any] = await read.search(work, prefix=q, min_orders=min_orders, before=before, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    return ProfilesOut(profiles=rows, next=encode_cursor(last["last_seen"], last["id"]) if last else None)


@router.get("/totals", dependencies=[requires("profile:read")], summary="Sum up the orders and spend of all customers")
async def totals(database: Db) -> TotalsOut:
    """Returns by currency how many orders count, and what was paid and not refunded."""
    async with database.work() as work:
        rows: list[Any] = await read.totals(work)
    return TotalsOut(totals=rows)


@router.get(
    "/shared-values",
    dependencies=[requires("profile:read")],
    summary="List the addresses, numbers and devices that several customers give",
)
async def shared_values(
    database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> SharedValuesOut:
    """Returns one page. A value is listed once a trusted source named it with a customer whom it was not linked to."""
    after = decode_cursor(cursor, tuple[int, str, str]) if cursor else None
    async with database.work() as work:
        rows: list[Any] = await read.shared_values(work, after=after, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    following = encode_cursor(last["customers"], last["namespace"], last["value"]) if last else None
    return SharedValuesOut(values=rows, next=following)


@router.get("/profiles/{ref:path}/timeline", summary="List a customer's events, newest first")
async def timeline(
    database: Db, caller: Caller, ref: Ref, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> TimelineOut:
    """Returns one page. Pass `next` as `cursor` to get the page after it."""
    before = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        profile_id = await _readable(work, caller, ref)
        rows = await read.timeline(work, profile_id, before=before, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    events: list[Any] = list(rows)
    return TimelineOut(
        profile_id=profile_id,
        events=events,
        next=encode_cursor(last.occurred_at, last.event_id) if last else None,
    )


@router.get("/profiles/{ref:path}/consents", summary="Read a customer's consent, with its source and evidence")
async def consents(database: Db, caller: Caller, ref: Ref) -> ConsentsOut:
    """Returns consent by channel and purpose. Consent that is not listed was never given."""
    async with database.work() as work:
        profile_id = await _readable(work, caller, ref)
        found: list[Any] = await read.consents(work, profile_id)
    return ConsentsOut(profile_id=profile_id, consents=found)


@router.get("/profiles/{ref:customer}", summary="Read the profile of one customer")
async def profile(request: Request, database: Db, caller: Caller, ref: Ref) -> ProfileOut:
    """Returns identities, traits, consent, orders, spend, refunds, margin, top pages and categories, feedback, dated
    facts, and the customer's time zone and language with what they are known by.
    """
    company_zone: str = request.app.state.company_time_zone
    async with database.work() as work:
        found = await read.profile(work, await _readable(work, caller, ref), company_zone=company_zone)
    return ProfileOut.model_validate(found)


async def _readable(work: Work, caller: Principal, ref: str) -> UUID:
    """Returns the id of the profile that `ref` names, if the caller may read it.

    A customer never learns whether another customer is known.
    """
    if caller.scopes:
        caller.require("profile:read")
        return await read.resolve(work, ref)
    try:
        profile_id = await read.resolve(work, ref)
    except (read.UnknownProfile, Invalid):
        raise Forbidden("a customer's token is for that customer only") from None
    await require_customer_or("profile:read", caller, work, profile_id)
    return profile_id
