"""Which events campaign listens to."""

from functools import partial

from services.campaign.service import changes, confirming, contacts, erasing, facts
from shared.contracts.changes import (
    ConfirmationRequested,
    ProfileChanged,
    ProfileErased,
    ProfileMerged,
    ProfileSplit,
    SegmentEntered,
    SegmentExited,
    StageChanged,
    TierChanged,
)
from shared.contracts.events import FACTS
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, SEGMENTS
from shared.kafka.consumer.batch import Handlers

TOPICS = (PROFILE_EVENTS, PROFILES, SEGMENTS)


def handlers(partition_secret: bytes) -> Handlers:
    """Returns who takes what in. The secret makes the keys of the facts that journeys publish."""
    on_facts = partial(facts.on_facts, partition_secret=partition_secret)
    on_change = partial(changes.on_change, partition_secret=partition_secret)
    follow = partial(contacts.follow, partition_secret=partition_secret)
    return {
        **dict.fromkeys(FACTS, on_facts),
        ProfileChanged: follow,
        ProfileMerged: follow,
        ProfileSplit: contacts.part,
        ProfileErased: partial(erasing.erase, partition_secret=partition_secret),
        ConfirmationRequested: confirming.ask,
        **dict.fromkeys((TierChanged, StageChanged, SegmentEntered, SegmentExited), on_change),
    }
