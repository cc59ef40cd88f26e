"""Which events campaign listens to."""

from services.campaign.service import changes, confirming, contacts
from shared.contracts.changes import ConfirmationRequested, ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.topics import PROFILES, SEGMENTS
from shared.kafka.consumer.batch import Handlers

TOPICS = (PROFILES, SEGMENTS)

HANDLERS: Handlers = {
    ProfileChanged: contacts.follow,
    ProfileMerged: contacts.follow,
    ConfirmationRequested: confirming.ask,
    TierChanged: changes.on_standing_changed,
    StageChanged: changes.on_standing_changed,
}
