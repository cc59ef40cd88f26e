"""Where customers stand: tiers, lifecycle stages and scores."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from msgspec import structs

from services.segment.domain.abc import Class
from services.segment.domain.programmes.definition import Rolling
from services.segment.domain.standing import Stage
from services.segment.schemas.standings import (
    CountsOut,
    RhythmOut,
    StandingOut,
    StandingRow,
    StandingsOut,
    TertilesOut,
    TierOut,
    TiersOut,
)
from services.segment.service import scores, standings
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, require_customer_or, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["segments"])


@router.get("/profiles/{profile_id}/standing", summary="Read a customer's tier and stage")
async def standing(database: Db, caller: Caller, profile_id: UUID) -> StandingOut:
    """Returns tier, lifecycle stage, RFM scores and ABC class, with reasons. The id of a merged profile still works."""
    async with database.work() as work:
        await require_customer_or("segment:read", caller, work, profile_id)
        found = await standings.standing(work, profile_id)
        tertiles = await scores.tertiles(work, found.stored)
    stored, limits = found.stored, found.thresholds
    rhythm = RhythmOut(
        days=stored.rhythm_days,
        pauses=stored.rhythm_pauses,
        shop_days=stored.shop_rhythm_days,
        at_risk_days=limits.at_risk_days,
        silent_days=limits.silent_days,
        churned_days=limits.churned_days,
    )
    return StandingOut(
        **structs.asdict(stored),
        rhythm=rhythm,
        tertiles=TertilesOut.model_validate(tertiles) if tertiles else None,
        currency=found.currency,
        not_counted_minor=dict(found.not_counted_minor),
    )


@router.get("/standings", dependencies=[requires("segment:read")], summary="List customers by tier, stage and scores")
async def page(
    database: Db,
    tier: Annotated[str | None, Query(description="the name of a tier, from `GET /v1/tiers`")] = None,
    stage: Stage | None = None,
    rfm_group: Annotated[str | None, Query(description="the name of a group, from `GET /v1/rfm`")] = None,
    abc: Class | None = None,
    key_customer: bool | None = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> StandingsOut:
    """Returns one page of the customers in this tier and stage, of this group and class.

    Pass `next` as `cursor` to get the page after it.
    """
    after = decode_cursor(cursor, tuple[UUID])[0] if cursor else None
    async with database.work() as work:
        chosen = standings.Filter(tier=tier, stage=stage, rfm_group=rfm_group, abc=abc, key_customer=key_customer)
        rows = await standings.customers(work, chosen, after=after, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    page_of = [StandingRow.model_validate(row) for row in rows]
    return StandingsOut(standings=page_of, next=encode_cursor(last.profile_id) if last else None)


@router.get("/tiers", dependencies=[requires("segment:read")], summary="List the tiers")
async def tiers(database: Db) -> TiersOut:
    """Returns each tier of the programme `default` with what it requires and how many customers have it, lowest first.

    `GET /v1/programmes` has the other programmes, and all of this one.
    """
    async with database.work() as work:
        programme, by_tier, _ = await standings.counts(work)
    return TiersOut(
        basis=programme.basis,
        currency=programme.currency,
        window_days=programme.window.days if isinstance(programme.window, Rolling) else None,
        tiers=[TierOut(name=t.name, from_minor=t.at_least, customers=by_tier[t.name]) for t in programme.tiers],
    )


@router.get("/counts", dependencies=[requires("segment:read")], summary="Count customers by tier and by stage")
async def counts(database: Db) -> CountsOut:
    """Returns how many customers each tier and each stage has."""
    async with database.work() as work:
        _, by_tier, by_stage = await standings.counts(work)
    return CountsOut(tiers=dict(by_tier), stages=dict(by_stage))
