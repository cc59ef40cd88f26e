"""Which events and changes a run waits for."""

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.events import awaiting_event, event_name, event_properties
from services.campaign.domain.journey.nodes.registry import AnyNode
from services.campaign.domain.journey.nodes.wait_for_event import WaitForEvent
from services.campaign.domain.journey.nodes.wait_for_segment import WaitForSegment
from services.campaign.domain.journey.run import Cause, Run, Signal
from services.campaign.domain.journey.triggers import is_by_time
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event

CAME = "event"


def awaited(journey: Journey, run: Run, event: Event) -> Signal | None:
    """Returns the signal that an event is to a run; None if the run does not wait for it."""
    if not run.awaits or not _is_awaited(journey.nodes.get(run.node), run, event):
        return None
    return Signal(CAME, str(event.event_id), Cause.of(event, by_time=is_by_time(event)))


def _is_awaited(node: AnyNode | None, run: Run, event: Event) -> bool:
    body = event.body
    match node:
        case WaitForEvent():
            is_named = run.awaits == awaiting_event(event_name(body))
            return is_named and node.matches(run, event_properties(body))
        case WaitForSegment():
            return isinstance(body, SegmentEntered | SegmentExited) and node.matches(body)
    return False
