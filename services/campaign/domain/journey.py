"""Journeys: which change sets one off, and whether a change is fit to."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.contracts.changes import StageChanged, TierChanged
from shared.contracts.consent import MAX_WORD_LENGTH, Pair
from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event
from shared.contracts.events import MARKETING, Body

Positive = Annotated[int, Meta(ge=1)]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]

Purpose = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=MAX_WORD_LENGTH)]


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


class ConfirmationAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="confirmation_requested"):
    """Set off by a visitor of a public source who agreed, and gave an address: the journey that ships with the code."""


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many messages to one customer within any so many hours."""

    messages: Positive
    hours: Positive

    @property
    def window(self) -> timedelta:
        """The time that the cap speaks of."""
        return timedelta(hours=self.hours)


class Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A journey's name for people."""

    en: str
    zh: str


class Journey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A definition. A changed definition is a new version; `cap` counts the messages of this journey alone.

    `purpose` is what its customers must have agreed to, for its channel; `transactional` needs no consent.
    """

    id: Slug
    version: Positive
    name: Name
    trigger: TierReached | StageReached | ConfirmationAsked
    max_age_hours: Positive = 24
    channel: Literal["email"]
    purpose: Purpose = MARKETING
    template: Slug
    cap: Cap

    @property
    def consent_to(self) -> Pair:
        """What a customer must have agreed to."""
        return Pair(self.channel, self.purpose)

    @property
    def max_age(self) -> timedelta:
        """How old a change may be and still set off a message."""
        return timedelta(hours=self.max_age_hours)


class Published(msgspec.Struct, frozen=True):
    """A definition, and whether it is running."""

    journey: Journey
    active: bool


class Entered(msgspec.Struct, frozen=True):
    """The customer enters: a message is due now."""


class Skipped(msgspec.Struct, frozen=True):
    """The customer does not enter, for this reason."""

    reason: str


def sets_off(trigger: TierReached | StageReached | ConfirmationAsked, body: Body) -> bool:
    """Returns whether a change is one that the trigger waits for."""
    match trigger, body:
        case TierReached(), TierChanged():
            return (
                body.direction == trigger.direction
                and body.current in trigger.tiers
                and body.programme == trigger.programme
            )
        case StageReached(), StageChanged():
            return body.current in trigger.stages
    return False


def is_by_time(change: Event) -> bool:
    """Returns whether time alone made a change, and no event.

    In a record of a writer that did not tell, such a change has no cause.
    """
    told = isinstance(change.body, TierChanged | StageChanged) and change.body.by_time
    return told or change.cause_id is None


def _is_redefined(change: Event) -> bool:
    return isinstance(change.body, TierChanged | StageChanged) and change.body.cause == "redefined"


def _asks_for_redefined(journey: Journey) -> bool:
    return isinstance(journey.trigger, TierReached | StageReached) and journey.trigger.redefined


def enter(journey: Journey, change: Event, now: datetime) -> Entered | Skipped:
    """Returns whether a change that sets off the journey lets its customer in.

    The age is measured on what caused the change, so an import or a replay tells of the past and sends nothing.
    """
    if change.historical:
        return Skipped("historical")
    if _is_redefined(change) and not _asks_for_redefined(journey):
        return Skipped("redefined")
    if now - change.occurred_at > journey.max_age:
        return Skipped("too_old")
    if change.depth >= MAX_CAUSATION_DEPTH:
        return Skipped("too_deep")
    return Entered()
