"""What a run left behind: the ledger, the databases, the topics, the provider's log, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tests.faults.ledger import Outcome

Triple = tuple[str, str, str]


class Sent(NamedTuple):
    """An event that clients sent, and what they know of its fate after all their calls."""

    message_id: str
    content: Mapping[str, Any]
    fate: Outcome

    @property
    def user(self) -> str:
        """The customer's user id; empty for a device that is not logged in."""
        return str(self.content.get("userId") or "")

    @property
    def name(self) -> str:
        """What a `track` is called."""
        return str(self.content.get("event") or "")

    @property
    def bad(self) -> bool:
        """Whether ingest has to refuse it."""
        return self.name == "Order Completed" and "order_id" not in self.content["properties"]


class Folded(NamedTuple):
    """A row of the timeline."""

    event_id: UUID
    profile_id: UUID
    type: str
    source_id: str
    claim: bool
    occurred_at: datetime


class Profile(NamedTuple):
    """A profile's stored figures; spend in cents of USD."""

    events: int
    page_views: int
    orders: int
    spend_minor: int


class Message(NamedTuple):
    """A row of campaign's ledger of messages."""

    id: UUID
    profile_id: UUID
    journey_id: str
    trigger_id: str
    state: str

    @property
    def triple(self) -> Triple:
        """What must be handed over once."""
        return (str(self.profile_id), self.journey_id, self.trigger_id)


class Decision(NamedTuple):
    """A row of campaign's decisions."""

    trigger_id: str
    outcome: str


class Handed(NamedTuple):
    """A message that the provider has, by its own log."""

    triple: Triple
    to: str
    at: datetime


class Record(NamedTuple):
    """A record of a topic, as far as rules speak of it."""

    partition: int
    event_id: str | None
    profile_id: str | None
    origin: int | None
    sequence: int | None
    version: int | None
    rises: bool
    historical: bool
    segment_id: str | None = None  # of a change of a membership
    enters: bool = False


class Letter(NamedTuple):
    """A dead letter: `topic/partition/offset`, and its bytes."""

    place: str
    value: bytes


class Rebuilt(NamedTuple):
    """A projection before and after its rebuild: both digests, and some of the rows that differ."""

    before: str
    after: str
    differing: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it. What a run did not have (a service that it did not start) is None or empty."""

    source_id: UUID
    sent: Mapping[UUID, Sent]
    answered: frozenset[str] = frozenset()
    timeline: Sequence[Folded] = ()
    profiles: Mapping[UUID, Profile] = field(default_factory=dict)
    owners: Mapping[str, UUID] = field(default_factory=dict)
    profile_orders: Mapping[tuple[UUID, str], tuple[bool, int]] | None = None
    segment_orders: Mapping[tuple[UUID, str], tuple[bool, int]] | None = None
    memberships: frozenset[tuple[str, str]] | None = None
    merged: frozenset[str] = frozenset()
    tally: Mapping[UUID, int] | None = None
    quarantine: Sequence[str] = ()
    responses: Sequence[str] = ()
    campaign: bool = False
    messages: Sequence[Message] = ()
    decisions: Sequence[Decision] = ()
    handed: Sequence[Handed] = ()
    withdrawn: Mapping[str, datetime] = field(default_factory=dict)
    sending_at_kills: frozenset[UUID] = frozenset()
    logs: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    whole_logs: bool = True
    dead: Mapping[str, Sequence[Letter]] = field(default_factory=dict)
    poison: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    rebuilt: Mapping[str, Rebuilt] = field(default_factory=dict)
    lag: Mapping[str, int | None] = field(default_factory=dict)
    outbox: Mapping[str, int] = field(default_factory=dict)
