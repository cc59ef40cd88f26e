"""The routes of exchange rates."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.profile.domain.rates import RatePlace
from services.profile.schemas.profiles import CurrencyCode, Day, RatesIn, RatesOut, RatesStatedOut
from services.profile.service import rates
from shared.audit import Actor
from shared.http import Caller, Db, PageSize, decode_cursor, encode_cursor, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1/rates", tags=["rates"])


@router.put("", dependencies=[requires("profile:admin")], summary="State exchange rates of days")
async def state(database: Db, caller: Caller, body: RatesIn) -> RatesStatedOut:
    """Adds rates. A rate of a pair and day that is there is corrected: what was stated before is kept, and counts no
    more. The same rates again change nothing.

    Nothing of the list is taken in if any of it is invalid.
    """
    stated = [(RatePlace(one.base, one.quote, one.day), one.rate) for one in body.rates]
    async with database.work() as work:
        found = await rates.state(work, Actor.of(caller), stated)
    return RatesStatedOut(**found._asdict())


@router.get("", dependencies=[requires("profile:read")], summary="List exchange rates, by pair and day")
async def page(
    database: Db,
    base: Annotated[CurrencyCode | None, Query(description="only rates of this currency")] = None,
    quote: Annotated[CurrencyCode | None, Query(description="only rates in this currency")] = None,
    since: Annotated[Day | None, Query(description="only of this day and later ones")] = None,
    until: Annotated[Day | None, Query(description="only of this day and earlier ones")] = None,
    cursor: str | None = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> RatesOut:
    """Returns one page of the rates as they stand. Pass `next` as `cursor` to get the page after it."""
    after = decode_cursor(cursor, tuple[str, str, date]) if cursor else None
    async with database.work() as work:
        rows: list[Any] = list(
            await rates.page(work, base=base, quote=quote, since=since, until=until, after=after, limit=limit)
        )
    last = rows[-1] if len(rows) == limit else None
    following = encode_cursor(last.base, last.quote, last.day.isoformat()) if last else None
    return RatesOut(rates=rows, next=following)
