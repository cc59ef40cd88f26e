"""One customer's way through a journey: where it stands, what it waits for, and what happens on the way.

A run is moved by `walking.advance`, which is pure: the same run, signal and facts always give the same steps and
effects. Every effect carries the run's id and the visit of the node that asked for it, from which its own id derives:
moving a run again after a crash asks for the same effects, and each of them happens once.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts.changes import DatedFact
from shared.contracts.envelope import Event
from shared.contracts.events import Body

MAX_DATA_BYTES: Final = 8_192  # of what a run carries: properties of the event that let it in, replies of webhooks


class RunState(StrEnum):
    """Where a run stands: on its way, at its end, or out before that."""

    ACTIVE = "active"
    FINISHED = "finished"
    EXITED = "exited"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What moved a run last: an event, or a due time (`by_time`), which is as old as the instant it was due."""

    id: UUID
    occurred_at: datetime
    received_at: datetime
    by_time: bool = False
    depth: int = 0
    traceparent: str | None = None

    @classmethod
    def of(cls, event: Event, *, by_time: bool) -> "Cause":
        """Returns an event as a cause."""
        return cls(
            id=event.event_id,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            by_time=by_time,
            depth=event.depth,
            traceparent=event.traceparent,
        )


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `visit` counts the nodes that it entered, so that a node entered twice is two visits.

    `entry_key` is what it entered for: an order id, or the id of the change. `node` is empty before the first one is
    entered, and `data` has what the nodes may use: `event`, the properties of what let the customer in. `awaits` names
    what may move it before it is due; see `awaiting`. `waiting_since` is when it came to where it stands.
    """

    id: UUID
    journey_id: str
    version: int
    profile_id: UUID
    entry_key: str
    trigger_id: str
    triggered_at: datetime
    cause: Cause
    entered_at: datetime
    node: str = ""
    visit: int = 0
    data: Mapping[str, Any] = {}
    awaits: str = ""
    waiting_since: datetime
    due_at: datetime | None = None


class Signal(msgspec.Struct, frozen=True):
    """What moves a run that waits: `name` says what came, `detail` what there is to know of it.

    A run that is moved by nothing but its due time has the signal `TIMER`.
    """

    name: str
    detail: str = ""
    cause: Cause | None = None


TIMER: Final = Signal("timer")


class Send(msgspec.Struct, frozen=True):
    """A message is to be sent by the node `step`, on its visit."""

    step: str
    visit: int


class Publish(msgspec.Struct, frozen=True):
    """A fact about the customer is to be published."""

    step: str
    visit: int
    body: Body


class IssueCoupon(msgspec.Struct, frozen=True):
    """A coupon is to be issued by the node `step`, on its visit."""

    step: str
    visit: int


Effect = Send | Publish | IssueCoupon


class Leave(msgspec.Struct, frozen=True):
    """The node is done with: the run goes on by this port, to the node it leads to; to the journey's end if to none."""

    port: str
    detail: str = ""
    effects: tuple[Effect, ...] = ()
    data: Mapping[str, Any] = {}


class Stay(msgspec.Struct, frozen=True):
    """The run stays: until then, or until what it awaits comes; without either it would never go on."""

    until: datetime | None = None
    awaits: str = ""
    detail: str = ""
    effects: tuple[Effect, ...] = ()


class End(msgspec.Struct, frozen=True):
    """The run is over, for this reason."""

    reason: str
    state: RunState = RunState.EXITED


Outcome = Leave | Stay | End


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a node did on a visit: for whoever asks why.

    `outcome` is the port by which it was left, `waits` or `ended`.
    """

    visit: int
    node: str
    kind: str
    outcome: str
    detail: str = ""
    at: datetime


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the customer when a run is moved.

    `tiers` has the tier in each programme, `segments` the segments of which the customer is a member, `facts` the dated
    facts by kind and label.
    """

    time_zone: str = "UTC"
    language: str = ""
    tiers: Mapping[str, str] = {}
    stage: str = ""
    segments: frozenset[str] = frozenset()
    facts: tuple[DatedFact, ...] = ()
