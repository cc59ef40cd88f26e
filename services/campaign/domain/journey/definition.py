"""The definition of a journey: data, which a marketer writes, and a version of which never changes."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.campaign.domain.journey.lengths import length
from services.campaign.domain.journey.nodes.message import SendMessage
from services.campaign.domain.journey.nodes.node import NodeId
from services.campaign.domain.journey.nodes.registry import AnyNode
from services.campaign.domain.journey.triggers import Trigger
from services.campaign.domain.message_definition import Cap, MessageDefinition, Positive, Slug
from shared.contracts.property_filter import PropertyFilter

MAX_NODES = 200


class Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name for people."""

    en: str
    zh: str


class EveryTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="every_time"):
    """A customer enters each time. One order lets its customer in once, however often it is stated."""


class Once(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="once"):
    """A customer enters once, ever."""


class OncePer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="once_per"):
    """A customer enters once for each value of a property of what lets them in, such as an order id."""

    property: str


class AgainAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="again_after"):
    """A customer enters again once `time` has passed since they last entered."""

    time: str


Again = EveryTime | Once | OncePer | AgainAfter


class OnEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="event"):
    """A customer leaves at once when an event of this name comes whose properties match `where`.

    `same` as in the node `wait_for_event`. `goal`: that is what the journey is for.
    """

    event: str
    where: tuple[PropertyFilter, ...] = ()
    same: str | None = None
    goal: bool = False


class OnSegment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="segment"
):
    """A customer leaves at once when they become a member of a segment, or cease to be one. `goal` as in `OnEvent`."""

    segment: str
    change: Literal["entered", "exited"]
    goal: bool = False


class OnConsentWithdrawn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="consent_withdrawn"):
    """A customer leaves at once who withdraws consent to a channel and purpose of one of the journey's messages."""


ExitRule = OnEvent | OnSegment | OnConsentWithdrawn


class Journey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A journey: what sets it off, and a graph of nodes that begins at `start`. A changed definition is a new version.

    `max_age` is how old what sets it off, and what moves a run later, may be when a message leaves. `again` says who
    may enter again; `inside`, what happens when a customer enters who is inside with the same entry key or, unless
    runs are `parallel`, with any: the new one is ignored, or replaces the run. `exits` hold on every node. `cap` counts
    the messages of this journey alone.
    """

    id: Slug
    version: Positive
    name: Name
    trigger: Trigger
    max_age: str = "P1D"
    again: Again = EveryTime()
    inside: Literal["parallel", "ignore", "restart"] = "parallel"
    exits: tuple[ExitRule, ...] = ()
    cap: Cap | None = None
    start: NodeId
    nodes: Annotated[dict[NodeId, AnyNode], Meta(min_length=1, max_length=MAX_NODES)]

    @property
    def longest_age(self) -> timedelta:
        """How old a cause may be and still set off a message."""
        return length(self.max_age)

    def message(self, step: str) -> MessageDefinition | None:
        """Returns how the messages of a node are made; those of no node, which are of before there were nodes, by the
        only one. None if there is no such node.
        """
        nodes = {name: one for name, one in self.nodes.items() if isinstance(one, SendMessage)}
        node = nodes.get(step) or (next(iter(nodes.values())) if not step and len(nodes) == 1 else None)
        if node is None:
            return None
        return MessageDefinition(
            id=self.id,
            version=self.version,
            step=step,
            channel=node.channel,
            purpose=node.purpose,
            template=node.template,
            max_age=self.longest_age,
            cap=node.cap or self.cap,
        )

    def messages(self) -> list[MessageDefinition]:
        """Returns how all messages of the journey are made."""
        found = (self.message(name) for name in self.nodes)
        return [one for one in found if one is not None]


class Published(msgspec.Struct, frozen=True):
    """A definition, whether it is running, and who published it; nobody did if it came with the service."""

    journey: Journey
    active: bool
    published_by: str = ""
