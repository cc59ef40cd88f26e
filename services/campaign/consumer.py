"""Which events campaign listens to."""

from services.campaign.service import changes, contacts
from shared.contracts.changes import ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.topics import PROFILES, SEGMENTS
from shared.kafka.batch import Handlers

TOPICS = (PROFILES, SEGMENTS)

HANDLERS: Handlers = {
    ProfileChanged: contacts.follow,
    ProfileMerged: contacts.follow,
    TierChanged: changes.hear,
    StageChanged: changes.hear,
}
