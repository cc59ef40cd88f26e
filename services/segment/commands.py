"""`python -m services.segment rebuild`: standings, orders and aliases from profile's history and the topics."""

from collections.abc import Sequence
from typing import Final

from services.segment.service import rates, standings
from services.segment.service import rebuild as rebuilding
from services.segment.settings import SegmentSettings
from shared.contracts.changes import OrderReassigned, ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.events import OrderCancelled, OrderPlaced, OrderRefunded
from shared.contracts.reference import RatesPublished
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, SEGMENTS
from shared.rebuild import command
from shared.rebuild.topics import Plan
from shared.service.clock import Clock

PLAN: Final = Plan(
    service="segment",
    tables=("standings", "orders", "profile_aliases"),
    topics=(PROFILE_EVENTS, PROFILES),
    own_topics=(SEGMENTS,),
    handlers={
        OrderPlaced: standings.fold_orders,
        OrderCancelled: standings.fold_orders,
        OrderRefunded: standings.fold_orders,
        OrderReassigned: standings.fold_orders,
        ProfileChanged: standings.follow,
        ProfileMerged: standings.follow,
        RatesPublished: rates.on_rates_published,  # its topic is not read: the copy stays as it is
        TierChanged: rebuilding.note_published,
        StageChanged: rebuilding.note_published,
    },
    prepare=rebuilding.prepare,
    settle=rebuilding.settle,
    finish=rebuilding.finish,
)


async def rebuild(settings: SegmentSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections. Returns the exit status."""
    return await command.from_topics(PLAN, settings, arguments, clock, profile=settings.profile)
