"""What lets a customer into a journey: a change of standing, an event, a segment, or a call of the API."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.campaign.domain.journey.dates import DATE_REACHED
from services.campaign.domain.journey.events import event_name, event_properties, filters_match
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.envelope import Event
from shared.contracts.events import Body, CustomEvent
from shared.contracts.property_filter import PropertyFilter


class TierReached(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="tier_changed"):
    """Set off by a change of tier in a programme, in this direction, that ends in one of these tiers.

    `redefined`: also by one that no customer made, and no time, but somebody who changed the programme.
    """

    direction: Literal["up", "down"]
    tiers: Annotated[tuple[str, ...], Meta(min_length=1)]
    programme: str = "default"
    redefined: bool = False


class StageReached(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="stage_changed"):
    """Set off by a change of lifecycle stage that ends in one of these. `redefined` as in `TierReached`."""

    stages: Annotated[tuple[str, ...], Meta(min_length=1)]
    redefined: bool = False


class EventHappened(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="event"):
    """Set off by an event of this name, whose properties match `where`."""

    event: str
    where: tuple[PropertyFilter, ...] = ()


class SegmentJoined(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="segment_entered"):
    """Set off when a customer becomes a member of a segment.

    `redefined`: also of one that went live, or was changed, for all whom that makes members.
    """

    segment: str
    redefined: bool = False


class SegmentLeft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="segment_exited"):
    """Set off when a customer is a member of a segment no more. `redefined` as in `SegmentJoined`."""

    segment: str
    redefined: bool = False


class DateReached(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="date"
):
    """Set off each year at `time` in the customer's zone, `days_before` the anniversary of a dated fact.

    `fact` is its kind, such as `birthday`; of several facts of the kind each sets it off, or only the one of this
    `label`. What the customer enters for is that day.
    """

    fact: Annotated[str, Meta(min_length=1, max_length=40)]
    label: str | None = None
    days_before: Annotated[int, Meta(ge=0, le=365)] = 0
    time: str = "09:00"


class Called(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="called"):
    """Set off by a call of the API for a customer, with properties of its own."""


Trigger = TierReached | StageReached | EventHappened | SegmentJoined | SegmentLeft | DateReached | Called


def sets_off(trigger: Trigger, body: Body) -> bool:
    """Returns whether a change or an event is one that the trigger waits for."""
    match trigger, body:
        case TierReached(), TierChanged():
            return (
                body.direction == trigger.direction
                and body.current in trigger.tiers
                and body.programme == trigger.programme
            )
        case StageReached(), StageChanged():
            return body.current in trigger.stages
        case SegmentJoined(), SegmentEntered():
            return body.segment_id == trigger.segment
        case SegmentLeft(), SegmentExited():
            return body.segment_id == trigger.segment
        case EventHappened(), _:
            return event_name(body) == trigger.event and filters_match(trigger.where, event_properties(body))
    return False


def is_by_time(change: Event) -> bool:
    """Returns whether time alone made a change of standing, and no event.

    In a record of a writer that did not tell, such a change has no cause.
    """
    body = change.body
    if isinstance(body, SegmentEntered | SegmentExited):
        return body.by_time
    if isinstance(body, TierChanged | StageChanged):
        return body.by_time or change.cause_id is None
    return isinstance(body, CustomEvent) and body.name == DATE_REACHED


def is_redefined(body: Body) -> bool:
    """Returns whether nothing of the customer's changed, but a definition that they are judged by."""
    return isinstance(body, TierChanged | StageChanged | SegmentEntered | SegmentExited) and body.cause in (
        "redefined",
        "defined",
    )


def asks_for_redefined(trigger: Trigger) -> bool:
    """Returns whether a trigger is set off by that, too."""
    return not isinstance(trigger, EventHappened | DateReached | Called) and trigger.redefined


def words_of(body: Body) -> str:
    """Returns the short text by which a decision says what let a customer in."""
    if isinstance(body, TierChanged | StageChanged | SegmentEntered | SegmentExited):
        return body.reason
    return event_name(body)
