"""`python -m services.segment rebuild`: all that segment derives, from profile's history and the topics."""

from collections.abc import Sequence
from typing import Final

from services.segment.service import rebuild as rebuilding
from services.segment.service.membership_rebuild import HANDLERS
from services.segment.settings import SegmentSettings
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, SEGMENTS
from shared.rebuild import command
from shared.rebuild.topics import Plan
from shared.service.clock import Clock

PLAN: Final = Plan(
    service="segment",
    tables=(
        *("standings", "programme_standings", "orders", "profile_aliases"),
        *("customers", "history", "occurrences", "customer_tags", "list_members", "memberships", "customer_segments"),
    ),
    topics=(PROFILE_EVENTS, PROFILES),
    own_topics=(SEGMENTS,),
    handlers={
        **HANDLERS,
        TierChanged: rebuilding.note_published,
        StageChanged: rebuilding.note_published,
        SegmentEntered: rebuilding.note_published,
        SegmentExited: rebuilding.note_published,
    },
    prepare=rebuilding.prepare,
    settle=rebuilding.settle,
    finish=rebuilding.finish,
)


async def rebuild(settings: SegmentSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections. Returns the exit status."""
    return await command.from_topics(PLAN, settings, arguments, clock, profile=settings.profile)
