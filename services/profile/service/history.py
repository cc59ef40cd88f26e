"""The history that profile hands on: every event as it was published, in order, and every profile as it stands.

A stream is read in pages, a transaction each, so that it holds neither a connection nor a snapshot while its reader
takes its time. That is right because a place in the history never changes: `Position` in `shared.contracts.history`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal
from uuid import UUID

import msgspec

from services.profile.repository import history as repository
from services.profile.repository.fold import Figures
from services.profile.repository.history import Place, StoredChange, StoredEvent, StoredMerge
from services.profile.repository.identity import decode_state
from services.profile.service.fold import SOURCE, profile_changed
from shared.contracts import history, topics
from shared.contracts.changes import OrderReassigned, ProfileMerged
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.events import Body
from shared.contracts.history import LAST_ID, NO_ID, SHORT_NAMES, Position
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Invalid

EVENTS: Final = 500  # a page: some 50 ms
LOOKED_AT: Final = 5_000  # events of before that a page looks at, of which a sixth is in its partition
PROFILES: Final = 200  # a page


class InvalidPosition(Invalid):
    """The position is not one of this stream."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A stream of events that was begun: of these partitions, of these types (None: all), up to these ends."""

    partitions: frozenset[int]
    types: frozenset[str] | None
    ends: dict[int, int]

    def next_lane(self, position: Position) -> int | None:
        """Returns the first origin of which something may be left."""
        return next((one for one, end in sorted(self.ends.items()) if position.sequence(one) < end), None)


@dataclass(frozen=True, slots=True)
class Page:
    """Some events of a stream, the position after them, and whether nothing is left."""

    events: Sequence[Event]
    position: Position
    ended: bool = False


def position_of(text: str) -> Position:
    """Returns the position that a caller gives. Raises `Invalid`."""
    try:
        return history.position_of(text)
    except ValueError as error:
        raise InvalidPosition(f"after: {error}") from None


def types_of(text: str | None) -> frozenset[str] | None:
    """Returns the names, in all their versions, of the types that a caller lists by comma. Raises `Invalid`."""
    if text is None:
        return None
    bodies: set[type[Body]] = set()
    for name in text.split(","):
        body = SHORT_NAMES.get(name)
        if body is None:
            near = get_close_matches(name, SHORT_NAMES, 1)
            hint = f"did you mean {near[0]}?" if near else f"the types are {', '.join(sorted(SHORT_NAMES))}"
            raise Invalid(f"types: {name[:60]!r} is not a type of event; {hint}")
        bodies.add(body)
    return frozenset(history.type_names(bodies))


async def begin(work: Work, partition: int | None, types: frozenset[str] | None) -> Reading:
    """Begins a stream, of one partition or of all: it ends where the history ends now."""
    partitions = range(topics.PARTITIONS) if partition is None else (partition,)
    return Reading(frozenset(partitions), types, await repository.ends(work))


async def next_page(work: Work, reading: Reading, position: Position) -> Page:
    """Returns what follows a position: events from before sequences were kept, then one origin's after another's.

    The page that has `ended` says how far a reader has come who has read it all, in every origin.
    """
    if position.old != LAST_ID:
        rows, last = await repository.unnumbered(
            work, reading.partitions, after=position.old, types=reading.types, limit=LOOKED_AT
        )
        return Page(await _events(work, rows), Position(position.lanes, last or LAST_ID))
    origin = reading.next_lane(position)
    if origin is None:
        return Page((), position, ended=True)
    end = reading.ends[origin]
    rows, reached = await repository.numbered(
        work,
        reading.partitions,
        origin,
        after=position.sequence(origin),
        upto=end,
        types=reading.types,
        limit=EVENTS,
    )
    return Page(await _events(work, rows), position.moved(origin, end if reached is None else reached))


async def ends(work: Work) -> Sequence[str]:
    """Returns, for each partition of `profile-events`, the position of who has all of it that was published so far."""
    found = await repository.ends_of(work, range(topics.PARTITIONS))
    return [str(Position(found[partition], LAST_ID)) for partition in range(topics.PARTITIONS)]


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """Some events of one customer, and where the next page begins; None after the last."""

    events: Sequence[Event]
    after: Place | None


async def next_of_customer(work: Work, profile_id: UUID, after: Place | None) -> CustomerPage:
    """Returns a customer's events from a place on, under whichever id they were published: at last, moved orders.

    Of an id that was merged away it has those of the customer who stands for it.
    """
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    rows, place = await repository.of_customer(work, root, after=after, limit=EVENTS)
    if place is not None:
        return CustomerPage(await _events(work, rows), place)
    moved = await _events(work, await repository.reassigned(work, await aliases.names(work, root)))
    return CustomerPage([event for event in moved if event.profile_id == root], None)


async def _events(work: Work, rows: Iterable[StoredEvent]) -> list[Event]:
    """These rows' events. What is told beside the timeline named customers as of then: those who stand for them now."""
    events = [repository.event_of(row) for row in rows]
    named = {one for event in events if (body := _reassigned(event)) for one in (body.from_profile, body.to_profile)}
    if not named:
        return events
    now = await aliases.canonical(work, named | {one.profile_id for one in events if one.profile_id})
    return [_as_of_now(event, now) for event in events]


def _reassigned(event: Event) -> OrderReassigned | None:
    return event.body if isinstance(event.body, OrderReassigned) else None


def _as_of_now(event: Event, now: dict[UUID, UUID]) -> Event:
    body = _reassigned(event)
    if body is None or event.profile_id is None:
        return event
    body = msgspec.structs.replace(body, from_profile=now[body.from_profile], to_profile=now[body.to_profile])
    return msgspec.structs.replace(event, profile_id=now[event.profile_id], body=body)


@dataclass(frozen=True, slots=True)
class ProfilesPosition:
    """How far a reader of profiles as they stand has come: after which merge, or after which profile."""

    kind: Literal["merge", "profile"] = "merge"
    after: UUID = NO_ID

    def __str__(self) -> str:
        return f"{self.kind}:{self.after}"


@dataclass(frozen=True, slots=True)
class ProfilesPage:
    """Some merges or profiles, the position after them, and whether nothing is left."""

    events: Sequence[Event]
    position: ProfilesPosition
    ended: bool = False


def profiles_position_of(text: str) -> ProfilesPosition:
    """Returns the position that a caller gives in the stream of profiles. Raises `Invalid`."""
    kind, _, after = text.partition(":")
    try:
        if not text:
            return ProfilesPosition()
        if kind in ("merge", "profile"):
            return ProfilesPosition("merge" if kind == "merge" else "profile", history.id_of(after))
    except ValueError:
        pass
    raise InvalidPosition(f"after: {text[:60]!r} is neither merge:<profile id> nor profile:<profile id>")


async def next_profiles(work: Work, position: ProfilesPosition, *, company_zone: str) -> ProfilesPage:
    """Returns what follows a position: first who was merged into whom, by the id that is gone, then every profile.

    `company_zone` is the time zone of those of whom nothing says one.
    """
    if position.kind == "merge":
        merges = await repository.merges(work, after=position.after, limit=PROFILES)
        if not merges:
            return ProfilesPage((), ProfilesPosition("profile"))
        return ProfilesPage([_merged(work, one) for one in merges], ProfilesPosition("merge", merges[-1].profile_id))
    rows = await repository.profiles(work, after=position.after, limit=PROFILES)
    if not rows:
        return ProfilesPage((), position, ended=True)
    return ProfilesPage([_standing(work, one, company_zone) for one in rows], ProfilesPosition("profile", rows[-1].id))


def _merged(work: Work, merge: StoredMerge) -> Event:
    body = ProfileMerged(loser=merge.profile_id, survivor=merge.canonical_id, verified=merge.verified)
    return _told(work, merge.canonical_id, body, str(merge.profile_id), 1)


def _standing(work: Work, row: StoredChange, company_zone: str) -> Event:
    figures = Figures(
        row.version,
        row.orders,
        msgspec.json.decode(row.spend_minor, type=dict[str, int]),
        row.first_order_at,
        row.last_order_at,
    )
    body = profile_changed(row.id, decode_state(row.state), figures, company_zone)
    return _told(work, row.id, body, "", row.version)


def _told(work: Work, profile_id: UUID, body: Body, name: str, version: int) -> Event:
    """What stands is told as of now, and as history: it sets nothing off."""
    return Event(
        event_id=derived_id(profile_id, f"{type(body).__name__} export", name, version),
        source_id=SOURCE,
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        historical=True,
        profile_id=profile_id,
        body=body,
    )
