"""How the base scores: RFM with its cut points and groups, and ABC."""

from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Query

from services.segment.domain.abc import DEFAULT_RULE
from services.segment.domain.rfm import GRID, GROUPS, GROUPS_VERSION, Cuts
from services.segment.domain.rfm import Scores as RfmScores
from services.segment.domain.rfm import group as group_of
from services.segment.schemas.scores import (
    AbcOut,
    AbcRuleOut,
    CellOut,
    ClassOut,
    CutsOut,
    KeyCustomersOut,
    RfmGroupOut,
    RfmOut,
    Scale,
    VersionOut,
    VersionsOut,
)
from services.segment.service import scores
from shared.http import Db, PageSize, decode_cursor, encode_cursor, requires
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["scores"])

VERSION: Final = "version"
Position = tuple[Literal["version"], Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]]


@router.get("/rfm", dependencies=[requires("segment:read")], summary="Read how the base scores in RFM")
async def rfm(
    database: Db,
    scale: Annotated[Scale, Query(description="five parts, which groups are made of, or three")] = Scale.QUINTILES,
) -> RfmOut:
    """Returns the cut points in force, how many customers have which scores, and the groups with their customers."""
    async with database.work() as work:
        found = await scores.rfm(work, tertiles=scale is Scale.TERTILES)
    return RfmOut(
        version=_version(found.version) if found.version else None,
        scale=scale,
        cells=[
            CellOut(
                recency=one.recency,
                frequency=one.frequency,
                monetary=one.monetary,
                group=group_of(RfmScores(one.recency, one.frequency, one.monetary))
                if scale is Scale.QUINTILES
                else None,
                customers=one.customers,
            )
            for one in found.cells
        ],
        groups_version=GROUPS_VERSION,
        groups=[RfmGroupOut(**msgspec.structs.asdict(one), customers=found.groups[one.name]) for one in GROUPS],
        grid=[list(row) for row in GRID],
    )


@router.get("/rfm/versions", dependencies=[requires("segment:read")], summary="List versions of the cut points")
async def versions(database: Db, cursor: str | None = None, limit: Annotated[PageSize, Query()] = 50) -> VersionsOut:
    """Returns one page of the versions, the newest first. Pass `next` as `cursor` to get the page after it."""
    before = decode_cursor(cursor, Position)[1] if cursor else None
    async with database.work() as work:
        found = await scores.versions(work, before=before, limit=limit)
    last = found[-1] if len(found) == limit else None
    return VersionsOut(
        versions=[_version(one) for one in found], next=encode_cursor(VERSION, last.cuts.version) if last else None
    )


@router.get("/abc", dependencies=[requires("segment:read")], summary="Read the customers' share of revenue")
async def abc(database: Db) -> AbcOut:
    """Returns the classes A, B and C with their customers and revenue, the key customers, and the curve."""
    async with database.work() as work:
        found = await scores.abc(work)
    cuts = found.cuts
    from_minor = {"A": cuts.bounds.a_from, "B": cuts.bounds.b_from} if cuts else {}
    rule = cuts.abc_rule if cuts else DEFAULT_RULE
    return AbcOut(
        version=cuts.version if cuts else None,
        taken_at=cuts.taken_at if cuts else None,
        currency=cuts.currency if cuts else None,
        rule=AbcRuleOut.model_validate(rule),
        classes=[
            ClassOut(
                name=name,
                from_minor=from_minor.get(name),
                customers=one.customers,
                revenue_minor=one.revenue_minor,
            )
            for name, one in found.classes.items()
        ],
        key_customers=KeyCustomersOut(
            from_minor=cuts.bounds.key_from if cuts else None,
            orders=rule.key_orders,
            customers=found.key.customers,
            revenue_minor=found.key.revenue_minor,
        ),
        curve=list(cuts.curve) if cuts else [],
    )


def _version(shown: scores.ShownVersion) -> VersionOut:
    cuts = shown.cuts
    return VersionOut(
        version=cuts.version,
        taken_at=cuts.taken_at,
        applied_at=shown.applied_at,
        customers=cuts.customers,
        currency=cuts.currency,
        quintiles=_cuts(cuts.quintiles),
        tertiles=_cuts(cuts.tertiles),
        rhythm_days=cuts.rhythm_days,
        rhythm_since=cuts.rhythm_since,
    )


def _cuts(cuts: Cuts) -> CutsOut:
    return CutsOut(
        recency_days=list(cuts.recency), frequency_orders=list(cuts.frequency), monetary_minor=list(cuts.monetary)
    )
