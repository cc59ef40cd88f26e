"""`python -m services.feedback rebuild`: aliases, and whose orders are, from the topics; all else is a record."""

from collections.abc import Sequence
from typing import Final

from services.feedback import service
from services.feedback.settings import FeedbackSettings
from shared.contracts.changes import ProfileMerged, ProfileSplit
from shared.contracts.events import OrderPlaced
from shared.contracts.topics import PROFILE_EVENTS, PROFILES
from shared.rebuild import command
from shared.rebuild.topics import Plan
from shared.service.clock import Clock

PLAN: Final = Plan(
    service="feedback",
    tables=("profile_aliases", "customer_orders"),
    topics=(PROFILE_EVENTS, PROFILES),
    handlers={
        ProfileMerged: service.follow_merges,
        ProfileSplit: service.follow_splits,
        OrderPlaced: service.note_orders,
    },
)


async def rebuild(settings: FeedbackSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections. Returns the exit status."""
    return await command.from_topics(PLAN, settings, arguments, clock)
