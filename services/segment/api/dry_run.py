"""Conditions tried on the past."""

from uuid import UUID

from fastapi import APIRouter

from services.segment.domain.dry_run import Replayed
from services.segment.schemas.dry_run import MAX_SHOWN_TURNS, DayOut, DryRunIn, DryRunOut, ReplayedOut, TurnOut
from services.segment.service.dry_run import dry_run
from shared.errors import Invalid
from shared.http import Db, decode_cursor, encode_cursor, requires
from shared.http.guarded import GuardedRoute
from shared.http.paging import utc

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["segments"])


class TwoAudiences(Invalid):
    """A dry run looks at given customers or at a sample, not at both."""


@router.post("/conditions/dry-run", dependencies=[requires("segment:read")], summary="Try a condition on the past")
async def run(database: Db, body: DryRunIn) -> DryRunOut:
    """Replays what customers did, and returns when each would have entered and left, and how many did each day.

    All but events is taken as it is now. An answer takes some seconds at most: pass `next` as `cursor` to go on.
    """
    if body.profile_ids is not None and body.sample is not None:
        raise TwoAudiences("sample: leave it out, or leave out profile_ids")
    after = decode_cursor(body.cursor, tuple[UUID])[0] if body.cursor else None
    async with database.work() as work:
        found = await dry_run(
            work,
            body.condition,
            start=None if body.from_ is None else utc(body.from_),
            until=None if body.until is None else utc(body.until),
            profile_ids=body.profile_ids,
            sample=body.sample,
            after=after,
        )
    return DryRunOut(
        looked_at=len(found.replayed),
        members=sum(one.member for one in found.replayed.values()),
        days=[DayOut(day=day, entered=one.entered, left=one.left, size=one.size) for day, one in found.days.items()],
        customers=[_out(who, one) for who, one in found.replayed.items() if one.before or one.turns],
        next=None if found.next is None else encode_cursor(found.next),
    )


def _out(profile_id: UUID, one: Replayed) -> ReplayedOut:
    turns = [TurnOut(at=at, entered=entered) for at, entered in one.entries()]
    return ReplayedOut(
        profile_id=profile_id,
        before=one.before,
        member=one.member,
        turns=turns[:MAX_SHOWN_TURNS],
        more=one.shortened or len(turns) > MAX_SHOWN_TURNS,
    )
