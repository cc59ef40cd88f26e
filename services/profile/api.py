"""The routes of profile."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query

from services.profile.schemas import (
    IdentityLogOut,
    ProfileOut,
    ProfilesOut,
    TimelineOut,
    TotalsOut,
)
from services.profile.service import read
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, requires

router = APIRouter(prefix="/v1", tags=["profiles"])

Ref = Annotated[
    str,
    Path(
        description="a profile id, or namespace:value",
        examples=["user_id:42", "email:ann@example.com"],
        max_length=300,
    ),
]


@router.get("/profiles", dependencies=[requires("profile:read")], summary="Search customers, seen last first")
async def search(
    database: Db,
    q: Annotated[str | None, Query(description="the beginning of any identity", min_length=2, max_length=256)] = None,
    min_orders: Annotated[int, Query(ge=0)] = 0,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> ProfilesOut:
    """One page; pass `next` as `cursor` for the page after it."""
    before = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        rows: list[Any] = await read.search(work, prefix=q, min_orders=min_orders, before=before, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    return ProfilesOut(profiles=rows, next=encode_cursor(last["last_seen"], last["id"]) if last else None)


@router.get("/totals", dependencies=[requires("profile:read")], summary="Orders and spend of all customers")
async def totals(database: Db) -> TotalsOut:
    """Orders that count, and what was paid and not refunded, by currency."""
    async with database.work() as work:
        rows: list[Any] = await read.totals(work)
    return TotalsOut(totals=rows)


@router.get("/profiles/{ref}", summary="One customer, all round")
async def profile(database: Db, caller: Caller, ref: Ref) -> ProfileOut:
    """Identities, traits, consent, orders, spend, refunds, margin, pages, categories, feedback."""
    async with database.work() as work:
        found = await read.profile(work, ref)
    if not caller.is_customer(str(found["id"])):
        caller.require("profile:read")
    return ProfileOut.model_validate(found)


@router.get("/profiles/{ref}/timeline", summary="A customer's events, newest first")
async def timeline(
    database: Db, caller: Caller, ref: Ref, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50
) -> TimelineOut:
    """One page; pass `next` as `cursor` for the page after it."""
    before = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else None
    async with database.work() as work:
        profile_id, rows = await read.timeline(work, ref, before=before, limit=limit)
    if not caller.is_customer(str(profile_id)):
        caller.require("profile:read")
    last = rows[-1] if len(rows) == limit else None
    events: list[Any] = list(rows)
    return TimelineOut(
        profile_id=profile_id,
        events=events,
        next=encode_cursor(last.occurred_at, last.event_id) if last else None,
    )


@router.get(
    "/profiles/{ref}/identity-log", dependencies=[requires("profile:read")], summary="Why a customer is one customer"
)
async def identity_log(database: Db, ref: Ref, limit: Annotated[PageSize, Query()] = 50) -> IdentityLogOut:
    """The decisions that made, linked and merged this customer, newest first."""
    async with database.work() as work:
        decisions: list[Any] = list(await read.identity_log(work, ref, limit=limit))
    return IdentityLogOut(decisions=decisions)
