"""Programmes of tiers: defined, tried out, and tiers given by hand."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Response

from services.segment.domain.programmes.definition import DEFAULT, SLUG, schema
from services.segment.domain.programmes.simulation import Simulation
from services.segment.schemas.programmes import (
    CostOut,
    CustomerTierOut,
    CustomerTiersOut,
    MovedOut,
    OverrideIn,
    OverrideOut,
    ProgrammeIn,
    ProgrammeOut,
    ProgrammesOut,
    ProgrammeVersionOut,
    ProgrammeVersionsOut,
    RolloutOut,
    SimulationIn,
    SimulationOut,
    TierMoveOut,
)
from services.segment.service.programmes import definitions, overrides, simulation
from services.segment.service.programmes.definitions import ShownProgramme
from services.segment.service.programmes.overrides import CustomerTier
from shared.audit import Actor
from shared.database.database import Work
from shared.http import Caller, Db, etag, require_customer_or, requires
from shared.http.edits import if_match
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["programmes"])

ProgrammeId = Annotated[str, Path(pattern=SLUG, max_length=80, description="a programme's id, as `default`")]
OfProgramme = Annotated[str, Query(pattern=SLUG, max_length=80, description="the programme")]


def edit_or_new(
    match: Annotated[str | None, Header(alias="If-Match", description="the ETag that was read")] = None,
    none_match: Annotated[str | None, Header(alias="If-None-Match", description="`*` for a new programme")] = None,
) -> int:
    """Returns the version that an edit is of; 0 for a programme that is to be new."""
    if match is None and none_match is not None and none_match.strip() == "*":
        return 0
    return if_match(match)


@router.get("/programmes", dependencies=[requires("segment:read")], summary="List the programmes of tiers")
async def every(database: Db) -> ProgrammesOut:
    """Returns the newest version of each programme, which version is in force, and how far its roll-out is."""
    async with database.work() as work:
        return ProgrammesOut(programmes=[await _out(work, one) for one in await definitions.every(work)])


@router.get(
    "/schemas/programme", dependencies=[requires("segment:read")], summary="The JSON Schema of a programme's definition"
)
async def definition_schema() -> dict[str, Any]:
    """Returns the schema (2020-12). What it can't say is told when a definition is sent: tiers begin at 0 and rise."""
    return schema()


@router.get("/programmes/{programme}", dependencies=[requires("segment:read")], summary="Read a programme")
async def one(database: Db, programme: ProgrammeId, response: Response) -> ProgrammeOut:
    """Returns the newest version with its `ETag`, for an edit."""
    async with database.work() as work:
        return await _shown(work, programme, response)


@router.get(
    "/programmes/{programme}/versions", dependencies=[requires("segment:read")], summary="Every version of a programme"
)
async def every_version(database: Db, programme: ProgrammeId) -> ProgrammeVersionsOut:
    """Returns all versions, the newest first. A version never changes."""
    async with database.work() as work:
        found = await definitions.every_version(work, programme)
    return ProgrammeVersionsOut(
        versions=[
            ProgrammeVersionOut(**msgspec.structs.asdict(one) | {"definition": msgspec.json.decode(one.definition)})
            for one in found
        ]
    )


@router.put("/programmes/{programme}", dependencies=[requires("segment:admin")], summary="Change a programme")
async def save(
    database: Db,
    caller: Caller,
    programme: ProgrammeId,
    body: ProgrammeIn,
    version: Annotated[int, Depends(edit_or_new)],
    response: Response,
) -> ProgrammeOut:
    """Makes a new version, which is in force at once or from `effective_at` on.

    Then everybody is looked at by it. What changes is published with the cause `redefined`, which sets off no journey
    that does not ask for it. Send the `ETag` that was read as `If-Match`, or `If-None-Match: *` for a new programme.
    412 if somebody changed it meanwhile; 422 with every place that is wrong, what is allowed there, and the nearest
    name.
    """
    async with database.work() as work:
        await definitions.save(
            work,
            programme,
            body.definition,
            version=version,
            effective_at=body.effective_at,
            by=Actor.of(caller),
        )
        return await _shown(work, programme, response)


@router.post(
    "/programmes/{programme}/simulate",
    dependencies=[requires("segment:read")],
    summary="Try a programme out on everybody",
)
async def simulate(database: Db, programme: ProgrammeId, body: SimulationIn) -> SimulationOut:
    """Returns who would move where if this definition were in force now, and what its tiers would cost.

    Everybody is looked at by the version in force and by this one; nothing is changed. It takes some 50 µs a customer
    who ever bought.
    """
    found, now = await simulation.simulate(database, programme, body.definition)
    rows = sorted(found.customers.items(), key=lambda item: (item[0][0] or "", item[0][1]))
    return SimulationOut(
        at=now,
        customers=sum(found.customers.values()),
        up=found.up,
        down=found.down,
        moves=[MovedOut(from_tier=before, to_tier=after, customers=count) for (before, after), count in rows],
        sample=[TierMoveOut.model_validate(move) for move in found.sample],
        cost_now=_cost_now(found),
        cost_then=CostOut(currency=found.candidate.currency, minor_per_year=found.cost_then),
    )


@router.get("/profiles/{profile_id}/tiers", summary="Read a customer's tier in each programme")
async def customer_tiers(database: Db, caller: Caller, profile_id: UUID) -> CustomerTiersOut:
    """Returns tier, benefits, since when, and when it ends if nothing is bought. The id of a merged profile works."""
    async with database.work() as work:
        await require_customer_or("segment:read", caller, work, profile_id)
        found = await overrides.tiers(work, profile_id)
    return CustomerTiersOut(
        profile_id=next(iter(found.values())).tier.profile_id, tiers=[_customer_tier(one) for one in found.values()]
    )


@router.put(
    "/profiles/{profile_id}/tier-override",
    dependencies=[requires("segment:write")],
    summary="Give a customer a tier by hand",
)
async def give(
    database: Db, caller: Caller, profile_id: UUID, body: OverrideIn, programme: OfProgramme = DEFAULT
) -> CustomerTierOut:
    """Takes effect at once, until `expires_at` or until it is taken back, in the place of one given before."""
    async with database.work() as work:
        await overrides.give(
            work,
            profile_id,
            programme,
            name=body.tier,
            mode=body.mode,
            reason=body.reason,
            expires_at=body.expires_at,
            by=Actor.of(caller),
        )
        return _customer_tier((await overrides.tiers(work, profile_id))[programme])


@router.delete(
    "/profiles/{profile_id}/tier-override",
    dependencies=[requires("segment:write")],
    summary="Take back a tier given by hand",
)
async def take_back(
    database: Db, caller: Caller, profile_id: UUID, programme: OfProgramme = DEFAULT
) -> CustomerTierOut:
    """The customer has the tier that the programme says, at once. 404 if none was given."""
    async with database.work() as work:
        await overrides.take_back(work, profile_id, programme, by=Actor.of(caller))
        return _customer_tier((await overrides.tiers(work, profile_id))[programme])


async def _shown(work: Work, programme: str, response: Response) -> ProgrammeOut:
    found = await definitions.one(work, programme)
    response.headers["ETag"] = etag(found.newest.version)
    return await _out(work, found)


async def _out(work: Work, found: ShownProgramme) -> ProgrammeOut:
    newest = found.newest
    customers = await definitions.counts(work, newest.id) if found.in_force else {}
    return ProgrammeOut(
        id=newest.id,
        version=newest.version,
        definition=msgspec.json.decode(newest.definition),
        effective_at=newest.effective_at,
        author=newest.author,
        made_at=newest.made_at,
        in_force=found.in_force,
        rollout=RolloutOut.model_validate(found.rollout) if found.rollout else None,
        customers=dict(customers),
    )


def _cost_now(found: Simulation) -> CostOut | None:
    if found.current is None or found.cost_now is None:
        return None
    return CostOut(currency=found.current.currency, minor_per_year=found.cost_now)


def _customer_tier(one: CustomerTier) -> CustomerTierOut:
    here = next((tier for tier in one.definition.tiers if tier.name == one.tier.tier), None)
    fields = msgspec.structs.asdict(one.tier)
    benefits = msgspec.to_builtins(here.benefits) if here else []
    given = OverrideOut.model_validate(one.given) if one.given else None
    return CustomerTierOut.model_validate({**fields, "benefits": benefits, "given": given})
