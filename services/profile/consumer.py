"""Which events profile listens to: every fact that there is."""

from services.profile.service.take_in import take_in
from shared.contracts.events import FACTS
from shared.contracts.topics import EVENTS
from shared.kafka.batch import Handlers

TOPICS = (EVENTS,)

HANDLERS: Handlers = dict.fromkeys(FACTS, take_in)
