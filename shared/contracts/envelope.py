"""The envelope: whom an event is about, who sends it, when it happened and when it came in."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final
from uuid import UUID

import msgspec
from uuid_utils import UUID as _UUID
from uuid_utils import uuid5

from shared.contracts import events
from shared.contracts.context import Context
from shared.contracts.events import Body
from shared.contracts.identity import Identity, Namespace

QuickUUID = _UUID  # several times as fast as Python's own to make and to write; it can't replace that

REMEMBERED_SOURCES: Final = 1_024
MAX_CAUSATION_DEPTH: Final = 8  # a rule that is set off by its own result must end somewhere


class SourceKind(StrEnum):
    """Who may speak: a browser's public key, a company's server, a Rapport service."""

    PUBLIC = "public"
    SERVER = "server"
    SERVICE = "service"


TRUST: Final[Mapping[SourceKind, int]] = {SourceKind.PUBLIC: 0, SourceKind.SERVER: 1, SourceKind.SERVICE: 2}

# A public key is in every visitor's hands: it may say what was done, never what was bought or agreed to.
PUBLIC_MAY_SAY: Final[frozenset[type[Body]]] = frozenset(body for body in events.FACTS if body.PUBLIC)

OPINIONS: Final[frozenset[type[Body]]] = frozenset({events.FeedbackSubmitted, events.ReviewSubmitted})


def may_say(kind: SourceKind, body: type[Body], *, allow_orders: bool = False) -> bool:
    """Returns whether a source of this kind is believed when it says this; otherwise its event is unverified.

    A public source may be allowed to say orders; what became of a message only its provider knows, and tags, lists and
    traits that identify nobody are the company's own.
    """
    if kind is not SourceKind.PUBLIC or body in PUBLIC_MAY_SAY:
        return True
    return allow_orders and not body.SERVERS_ONLY


def may_say_of(kind: SourceKind, body: type[Body], identities: Iterable[Identity]) -> bool:
    """Returns whether a source of this kind is believed when it says this of that customer; otherwise its event is
    unverified.

    An opinion is somebody's own: a public key may give one for the visitor whom an anonymous id names, and for nobody
    who is known by more.
    """
    if kind is not SourceKind.PUBLIC or body not in OPINIONS:
        return True
    return all(identity.namespace is Namespace.ANONYMOUS_ID for identity in identities)


NEVER: Final = datetime.min.replace(tzinfo=UTC)  # when something happened of which nobody says when
MAX_SOURCE_VERSION: Final = (1 << 62) - 1


Place = tuple[int, datetime, int, datetime, UUID]


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """The order in which statements override each other: trust, then time, the source's own version, time of receipt.

    Total, because the event's id comes last: so merging commutes. Stored by earlier code it has neither version nor
    time of receipt. `occurred_at` is `NEVER` of what is undated.
    """

    trust: int
    occurred_at: datetime
    event_id: UUID
    source_version: int = 0
    received_at: datetime | None = None

    @property
    def place(self) -> Place:
        """What stamps are ordered by."""
        return self.trust, self.occurred_at, self.source_version, self.received_at or NEVER, self.event_id

    def __lt__(self, other: "Stamp") -> bool:
        return self.place < other.place


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it travels. Times are aware and in UTC.

    `occurred_at` is never later than `received_at`; `stated_at` is when it happened by the sender's clock, before that
    was corrected. `profile_id`, `origin` and `sequence` are set once a profile owns the event: within one (partition,
    origin) sequences only grow, so a reader skips what is not above the highest it has seen. `unverified` marks an
    event that the source is not believed for: it is kept and shown, and folded into no figure. `merges` marks an
    explicit merge: the sender says that all whom the event names are one customer, and that an anonymous id among them
    may be a former user id. `source_version` is the source's own count of changes to what the event is about, 0 if it
    keeps none; `undated` marks an event of which nobody knows when it happened, so that it overrides nothing dated;
    `space` is the space in which the source's ids of orders and refunds live, empty for the common one.
    """

    event_id: UUID
    source_id: str
    source_kind: SourceKind
    occurred_at: datetime
    received_at: datetime
    body: Body
    identities: tuple[Identity, ...] = ()
    historical: bool = False
    unverified: bool = False
    profile_id: UUID | None = None
    origin: int | None = None
    sequence: int | None = None
    cause_id: UUID | None = None
    depth: int = 0
    traceparent: str | None = None
    stated_at: datetime | None = None
    context: Context | None = None
    merges: bool = False
    source_version: int = 0
    undated: bool = False
    space: str = ""

    @property
    def stamp(self) -> Stamp:
        """The place of this event among others about the same thing."""
        return Stamp(
            TRUST[self.source_kind],
            NEVER if self.undated else self.occurred_at,
            self.event_id,
            self.source_version,
            self.received_at,
        )


def event_id(source_id: UUID, message_id: str) -> UUID:
    """Returns the id of a source's message: the same message always gets the same id, whoever computes it."""
    return as_uuid(event_ids(source_id)(message_id))


def event_ids(source_id: UUID) -> Callable[[str], QuickUUID]:
    """Returns `event_id` for many messages of one source, as ids that are quick to make and to write."""
    return partial(uuid5, _namespace(source_id))


@lru_cache(REMEMBERED_SOURCES)
def _namespace(source_id: UUID) -> QuickUUID:
    return QuickUUID(source_id.hex)


def as_uuid(quick: QuickUUID) -> UUID:
    """Returns the same id as a UUID of Python, in a third of the time that Python takes."""
    return msgspec.convert(quick.bytes, UUID)


def dominant_cause(one: Event | None, other: Event) -> Event:
    """Returns of two causes of a change the live one, then the later: a replayed event must not hide a live one."""
    if one is None:
        return other
    return max(one, other, key=lambda event: (not event.historical, event.received_at, event.event_id))


def derived_id(cause_id: UUID, kind: str, definition_id: str, version: int) -> UUID:
    """Returns the id of the fact that a rule made of an event: deciding again makes the same fact, not a second one."""
    return as_uuid(uuid5(QuickUUID(cause_id.hex), f"{kind}/{definition_id}/{version}"))


def derived_ids(cause_id: UUID) -> Callable[[str], QuickUUID]:
    """Returns `derived_id` for many facts of one cause, by `kind/definition id/version`, as ids quick to make."""
    return partial(uuid5, QuickUUID(cause_id.hex))


_SERVICES: Final = UUID("6c0f0a52-2f0b-5c7e-9a53-9d1d6f3c1a10")  # namespace of the services' own source ids


def service_source(service: str) -> UUID:
    """Returns the source id under which a Rapport service publishes facts."""
    return as_uuid(uuid5(_namespace(_SERVICES), service))
