"""Which events feedback listens to."""

from services.feedback import service
from shared.contracts.changes import ProfileErased, ProfileMerged, ProfileSplit
from shared.contracts.events import FeedbackSubmitted, OrderPlaced
from shared.contracts.topics import PROFILE_EVENTS, PROFILES
from shared.kafka.consumer.batch import Handlers

TOPICS = (PROFILE_EVENTS, PROFILES)

HANDLERS: Handlers = {
    FeedbackSubmitted: service.on_feedback_submitted,
    OrderPlaced: service.note_orders,
    ProfileMerged: service.follow_merges,
    ProfileSplit: service.follow_splits,
    ProfileErased: service.erase,
}
