"""The definitions that there are, as the consumer, the walker and the sender look them up."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.campaign.domain.journey.definition import Journey, OnConsentWithdrawn, OnEvent, Published
from services.campaign.domain.journey.nodes.wait_for_event import WaitForEvent
from services.campaign.domain.journey.triggers import EventHappened
from services.campaign.repository import journeys
from shared.database.database import Work

CONSENT_CHANGED = "consent_changed"


class Definitions(NamedTuple):
    """Every version of every journey; those that are entered: the newest of each that runs; and the names of events
    that any version asks about, on entry or later.
    """

    versions: Mapping[tuple[str, int], Published]
    entered: Sequence[Journey]
    asked_about: frozenset[str]

    def of(self, journey_id: str, version: int) -> Journey:
        """Returns a version that is published. Raises `KeyError` if it is not."""
        return self.versions[journey_id, version].journey


async def look(work: Work) -> Definitions:
    """Returns the definitions as they are now."""
    found = await journeys.published(work)
    newest: dict[str, Published] = {}
    for one in found:
        newest.setdefault(one.journey.id, one)
    return Definitions(
        {(one.journey.id, one.journey.version): one for one in found},
        [one.journey for one in newest.values() if one.active],
        frozenset(name for one in found for name in _events_of(one.journey)),
    )


def _events_of(journey: Journey) -> Iterable[str]:
    if isinstance(journey.trigger, EventHappened):
        yield journey.trigger.event
    for rule in journey.exits:
        if isinstance(rule, OnEvent):
            yield rule.event
        elif isinstance(rule, OnConsentWithdrawn):
            yield CONSENT_CHANGED
    for node in journey.nodes.values():
        if isinstance(node, WaitForEvent):
            yield node.event
