"""Which events take a run out of its journey, wherever it stands."""

from services.campaign.domain.journey.definition import ExitRule, Journey, OnConsentWithdrawn, OnEvent, OnSegment
from services.campaign.domain.journey.events import event_matches, event_name, event_properties
from services.campaign.domain.journey.run import End, Run, RunState
from shared.contracts.changes import ProfileErased, SegmentEntered, SegmentExited
from shared.contracts.consent import Pair
from shared.contracts.envelope import Event
from shared.contracts.events import ConsentChanged


def exit_by(journey: Journey, run: Run, event: Event) -> End | None:
    """Returns the end that an event makes of a run; None if no rule of the journey names it."""
    if isinstance(event.body, ProfileErased):
        return End("erased")
    for rule in journey.exits:
        reason = _reason(rule, journey, run, event)
        if reason is not None:
            goal = isinstance(rule, OnEvent | OnSegment) and rule.goal
            return End(f"goal: {reason}", RunState.FINISHED) if goal else End(reason)
    return None


def _reason(rule: ExitRule, journey: Journey, run: Run, event: Event) -> str | None:
    body = event.body
    match rule:
        case OnEvent():
            if event_name(body) == rule.event and event_matches(
                rule.where, rule.same, run.data.get("event", {}), event_properties(body)
            ):
                return rule.event
        case OnSegment(change="entered"):
            if isinstance(body, SegmentEntered) and body.segment_id == rule.segment:
                return f"entered {rule.segment}"
        case OnSegment():
            if isinstance(body, SegmentExited) and body.segment_id == rule.segment:
                return f"exited {rule.segment}"
        case OnConsentWithdrawn():
            if isinstance(body, ConsentChanged) and not body.granted:
                withdrawn = Pair(body.channel, body.purpose)
                if any(message.consent_to == withdrawn for message in journey.messages()):
                    return f"consent withdrawn: {withdrawn}"
    return None
