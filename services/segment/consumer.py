"""Which events segment listens to: every fact of a customer, how customers are, and merges."""

from services.segment.service.intake import HANDLERS as HANDLERS
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, REFERENCE

TOPICS = (PROFILE_EVENTS, PROFILES, REFERENCE)
