"""Which events segment listens to."""

from services.segment import service
from shared.contracts.changes import ProfileChanged, ProfileMerged
from shared.contracts.events import OrderCancelled, OrderPlaced, OrderRefunded
from shared.contracts.topics import PROFILE_EVENTS, PROFILES
from shared.kafka.batch import Handlers

TOPICS = (PROFILE_EVENTS, PROFILES)

HANDLERS: Handlers = {
    OrderPlaced: service.take_orders,
    OrderCancelled: service.take_orders,
    OrderRefunded: service.take_orders,
    ProfileChanged: service.meet,
    ProfileMerged: service.follow_merges,
}
