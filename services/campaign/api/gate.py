"""The gate: its policy, and why messages did not leave."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from services.campaign.domain.message_definition import Cap
from services.campaign.schemas.gate import GatePolicyIn, GatePolicyOut, GateReasonsOut, ReasonSumsOut
from services.campaign.service import gate
from shared.audit import Actor
from shared.http import Caller, Db, EditOf, Moment, etag, requires, utc
from shared.http.guarded import GuardedRoute

router = APIRouter(route_class=GuardedRoute, prefix="/v1/gate", tags=["campaign"])
SUMMED_DAYS: Final = 30  # of reasons, where the caller names no beginning
_NAME: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"


@router.get("/policy", dependencies=[requires("campaign:read")], summary="Read the gate's policy")
async def policy(request: Request, database: Db, response: Response) -> GatePolicyOut:
    """Returns the policy in force with its `ETag`, for an edit."""
    async with database.work() as work:
        shown = await gate.policy(work, customer_cap=_cap(request))
    response.headers["ETag"] = etag(shown.version)
    return GatePolicyOut.model_validate(shown)


@router.put("/policy", dependencies=[requires("campaign:admin")], summary="Put a policy in force at the gate")
async def change_policy(
    request: Request, database: Db, caller: Caller, body: GatePolicyIn, version: EditOf, response: Response
) -> GatePolicyOut:
    """Puts a new version in force: messages are decided on by it from now on; one that is held, when its time comes.

    412 if somebody changed it since it was read. 422 has each mistake with its place, a JSON pointer into the policy.
    """
    async with database.work() as work:
        shown = await gate.change_policy(
            work, body.policy, version=version, customer_cap=_cap(request), by=Actor.of(caller)
        )
    response.headers["ETag"] = etag(shown.version)
    return GatePolicyOut.model_validate(shown)


@router.get("/reasons", dependencies=[requires("campaign:read")], summary="Sum why messages did or did not leave")
async def reasons(
    request: Request,
    database: Db,
    journey: Annotated[
        str | None, Query(pattern=_NAME, max_length=80, description="of this journey or broadcast alone")
    ] = None,
    since: Annotated[Moment | None, Query(description="decided from then on; 30 days ago if left out")] = None,
    until: Annotated[Moment | None, Query(description="decided before then; now if left out")] = None,
) -> GateReasonsOut:
    """Returns how many messages have which outcome and reason. Each message counts once, by its latest decision."""
    now: datetime = request.app.state.clock.now()
    end = utc(until) if until else now + timedelta(microseconds=1)
    start = utc(since) if since else now - timedelta(days=SUMMED_DAYS)
    async with database.work() as work:
        found = await gate.reasons(work, journey_id=journey, since=start, until=end)
    return GateReasonsOut(since=start, until=end, journeys=[ReasonSumsOut.model_validate(one) for one in found])


def _cap(request: Request) -> Cap:
    cap: Cap = request.app.state.rules.customer_cap
    return cap
