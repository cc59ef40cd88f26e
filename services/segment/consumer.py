"""Which events segment listens to."""

from services.segment.service import rates, standings
from shared.contracts.changes import OrderReassigned, ProfileChanged, ProfileMerged
from shared.contracts.events import OrderCancelled, OrderPlaced, OrderRefunded
from shared.contracts.reference import RatesPublished
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, REFERENCE
from shared.kafka.consumer.batch import Handlers

TOPICS = (PROFILE_EVENTS, PROFILES, REFERENCE)

HANDLERS: Handlers = {
    OrderPlaced: standings.fold_orders,
    OrderCancelled: standings.fold_orders,
    OrderRefunded: standings.fold_orders,
    OrderReassigned: standings.fold_orders,
    ProfileChanged: standings.follow,
    ProfileMerged: standings.follow,
    RatesPublished: rates.on_rates_published,
}
