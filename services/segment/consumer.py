"""Which events segment listens to: every fact of a customer, how customers are, and merges."""

from services.segment.service.intake import HANDLERS as HANDLERS
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, REFERENCE

TOGETHER_RECORDS = 500  # with more, the statements of a transaction are a small part of what its batch costs
TOPICS = (PROFILE_EVENTS, PROFILES, REFERENCE)
