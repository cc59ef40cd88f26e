"""Which events a run waits for."""

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.events import awaiting_event, event_name, event_properties
from services.campaign.domain.journey.nodes.wait_for_event import WaitForEvent
from services.campaign.domain.journey.run import Cause, Run, Signal
from services.campaign.domain.journey.triggers import is_by_time
from shared.contracts.envelope import Event

CAME = "event"


def awaited(journey: Journey, run: Run, event: Event) -> Signal | None:
    """Returns the signal that an event is to a run; None if the run does not wait for it."""
    node = journey.nodes.get(run.node)
    if not isinstance(node, WaitForEvent) or run.awaits != awaiting_event(event_name(event.body)):
        return None
    if not node.matches(run, event_properties(event.body)):
        return None
    return Signal(CAME, str(event.event_id), Cause.of(event, by_time=is_by_time(event)))
