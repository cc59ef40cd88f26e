"""Which events profile listens to: every fact that there is."""

from collections.abc import Mapping
from functools import partial

from services.profile.service.fold import fold_events
from shared.contracts.events import FACTS
from shared.contracts.identity import Namespace
from shared.contracts.topics import EVENTS
from shared.kafka.consumer.batch import Handlers

TOPICS = (EVENTS,)


def handlers(identity_limits: Mapping[Namespace, int], company_zone: str) -> Handlers:
    """All facts are folded by one function, so that a batch is one fold."""
    return dict.fromkeys(FACTS, partial(fold_events, limits=identity_limits, company_zone=company_zone))
