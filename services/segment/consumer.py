"""Which events segment listens to: every fact of a customer, how customers are, and merges."""

from services.segment.service.intake import HANDLERS as HANDLERS
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, REFERENCE

TOGETHER_RECORDS = 1_000  # of one topic: as many as a look at the broker brings
TOPICS = (PROFILE_EVENTS, PROFILES, REFERENCE)
