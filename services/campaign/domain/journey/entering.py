"""Who enters a journey, and for what."""

from datetime import datetime

import msgspec

from services.campaign.domain.journey.definition import AgainAfter, Journey, Once, OncePer
from services.campaign.domain.journey.events import event_properties, key_of
from services.campaign.domain.journey.lengths import length
from services.campaign.domain.journey.triggers import asks_for_redefined, is_redefined
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event

EVER = "ever"
"""The entry key of a journey that a customer enters once."""


class Entered(msgspec.Struct, frozen=True):
    """The customer enters, for this key: of several entries with one key the first counts."""

    key: str


class Skipped(msgspec.Struct, frozen=True):
    """The customer does not enter, for this reason."""

    reason: str


def enter(journey: Journey, change: Event, now: datetime) -> Entered | Skipped:
    """Returns whether a change or an event that sets off the journey lets its customer in.

    The age is measured on what caused the change, so an import or a replay tells of the past and sends nothing.
    """
    if change.historical:
        return Skipped("historical")
    if is_redefined(change.body) and not asks_for_redefined(journey.trigger):
        return Skipped("redefined")
    if now - change.occurred_at > journey.longest_age:
        return Skipped("too_old")
    if change.depth >= MAX_CAUSATION_DEPTH:
        return Skipped("too_deep")
    return _entered(journey, change)


def again(journey: Journey, last_entered_at: datetime | None, now: datetime) -> Skipped | None:
    """Returns why a customer who entered before does not enter again yet; None if nothing is against it."""
    rule = journey.again
    if isinstance(rule, AgainAfter) and last_entered_at is not None and now - last_entered_at < length(rule.time):
        return Skipped("entered_lately")
    return None


def _entered(journey: Journey, change: Event) -> Entered | Skipped:
    match journey.again:
        case Once():
            return Entered(EVER)
        case OncePer(property=path):
            key = key_of(event_properties(change.body), path)
            return Skipped(f"no property {path}") if key is None else Entered(key)
    order_id = (
        change.body.order_id
        if isinstance(change.body, TierChanged | StageChanged | SegmentEntered | SegmentExited)
        else None
    )
    return Entered(order_id or str(change.event_id))
