"""What a profile's events add up to.

`state_of` says what one event adds; `merge` joins two states. `merge` is commutative and associative, and the
empty state is its neutral element, so any order and any batching of a set of events give one state, and two
profiles merge into the state of the union of their events. (Doubles are removed by event id before.) Orders are
kept apart, one row per order id, with laws of their own: `shared.contracts.orders`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from services.profile.domain import contact, permission
from services.profile.domain.contact import Point
from services.profile.domain.permission import Permission
from shared.contracts.envelope import TRUST, Event, SourceKind, Stamp
from shared.contracts.events import (
    CustomerIdentified,
    FeedbackSubmitted,
    PageViewed,
    ProductViewed,
)
from shared.contracts.identity import Namespace

CLAIMED_USER_ID: Final = "unverified_user_id"  # the namespace of user ids that only public keys name
NOBODY: Final = UUID(int=0)
MAX_COUNTED_NAME: Final = 200  # characters of a page path or category that is counted


class Trait(msgspec.Struct, frozen=True, array_like=True):
    """A value and the stamp of the event that said it last."""

    stamp: Stamp
    value: Any


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """How many answers, and the sum of their ratings."""

    answers: int = 0
    total: int = 0


class LinkedIdentity(NamedTuple):
    """An identity that a profile gained; `vouched`: a trusted source linked it."""

    namespace: str
    value: str
    vouched: bool


class ProfileState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a profile that is a join of what its events say, and of which identities were linked.

    `vouched` are the anonymous ids that a trusted source linked. `permissions` and `joined` are as `permission` has
    them, `contact_points` as `contact` has them. `consent` is how the release before says it: see `current`, `stored`.
    """

    first_seen: datetime | None = None
    last_seen: datetime | None = None
    events: int = 0
    page_views: int = 0
    traits: dict[str, Trait] = {}
    consent: dict[str, Trait] = {}
    feedback: dict[str, Tally] = {}
    identities: dict[str, tuple[str, ...]] = {}
    vouched: tuple[str, ...] = ()
    permissions: dict[str, dict[str, Permission]] = {}
    joined: dict[str, dict[str, datetime]] = {}
    contact_points: dict[str, dict[str, Point]] = {}


EMPTY: Final = ProfileState()


def state_of(event: Event) -> ProfileState:
    """What one event adds. A claim is seen, and believed in nothing.

    Consent and addresses come from trusted sources alone.
    """
    traits: dict[str, Trait] = {}
    permissions: dict[str, dict[str, Permission]] = {}
    feedback: dict[str, Tally] = {}
    page_views = 0
    if not event.claim:
        match event.body:
            case CustomerIdentified() as said:
                stamp = _stamp(event)
                traits = {name: Trait(stamp, value) for name, value in said.traits.items() if value is not None}
                permissions = permission.said_by(event, said.consent)
            case FeedbackSubmitted() as answer:
                feedback = {answer.survey: Tally(1, answer.rating)}
            case PageViewed():
                page_views = 1
    return ProfileState(
        first_seen=event.occurred_at,
        last_seen=event.occurred_at,
        events=1,
        page_views=page_views,
        traits=traits,
        feedback=feedback,
        permissions=permissions,
        joined=permission.joined_by(event),
        contact_points=contact.named_by(event),
    )


def _stamp(event: Event) -> Stamp:
    """As the event's own; but whoever sits at a browser can make a server speak of its anonymous id."""
    stamp = event.stamp
    if event.identities and all(one.namespace is Namespace.ANONYMOUS_ID for one in event.identities):
        return Stamp(TRUST[SourceKind.PUBLIC], stamp.occurred_at, stamp.event_id)
    return stamp


def merge(one: ProfileState, other: ProfileState) -> ProfileState:
    """The state of the union of two disjoint sets of events."""
    return ProfileState(
        first_seen=_least(one.first_seen, other.first_seen),
        last_seen=_greatest(one.last_seen, other.last_seen),
        events=one.events + other.events,
        page_views=one.page_views + other.page_views,
        traits=_last_writer_wins(one.traits, other.traits),
        feedback={
            survey: Tally(a.answers + b.answers, a.total + b.total)
            for survey, a, b in _both(one.feedback, other.feedback, Tally())
        },
        identities={
            namespace: tuple(sorted({*a, *b})) for namespace, a, b in _both(one.identities, other.identities, ())
        },
        vouched=tuple(sorted({*one.vouched, *other.vouched})) if other.vouched else one.vouched,
        permissions=permission.merge(one.permissions, other.permissions),
        joined=permission.merge_joined(one.joined, other.joined),
        contact_points=contact.merge(one.contact_points, other.contact_points),
    )


def fold(events: Iterable[Event], onto: ProfileState = EMPTY) -> ProfileState:
    """The state after these events. Each event must be folded once."""
    return reduce(merge, map(state_of, events), onto)


def with_identities(state: ProfileState, gained: Iterable[LinkedIdentity]) -> ProfileState:
    """The state after these identities were linked."""
    added: dict[str, set[str]] = {}
    vouched: set[str] = set()
    for namespace, value, trusted in gained:
        added.setdefault(namespace, set()).add(value)
        if trusted and namespace == Namespace.ANONYMOUS_ID:
            vouched.add(value)
    identities = {name: tuple(sorted(values)) for name, values in added.items()}
    return merge(state, ProfileState(identities=identities, vouched=tuple(sorted(vouched))))


def current(state: ProfileState) -> ProfileState:
    """A stored state as it is folded.

    What states of before keep as consent was said of the profile as it was then: of its strongest identity, to which
    all the others belonged already.
    """
    if not state.consent:
        return state
    if state.permissions:
        return msgspec.structs.replace(state, consent={})
    names = [f"{namespace.value}:{one}" for namespace in Namespace for one in state.identities.get(namespace.value, ())]
    trusted = {channel: one for channel, one in state.consent.items() if one.stamp.trust > TRUST[SourceKind.PUBLIC]}
    said = ProfileState(
        permissions=permission.said_of(
            names[:1], {name: (one.stamp.occurred_at, one.value) for name, one in trusted.items()}
        ),
        joined=permission.joined_always(names),
    )
    return merge(msgspec.structs.replace(state, consent={}), said)


def stored(state: ProfileState) -> ProfileState:
    """A state as it is stored: with consent as the release before reads it, which runs beside this one for a while."""
    newest = permission.newest(state.permissions)
    return msgspec.structs.replace(
        state,
        consent={
            channel: Trait(Stamp(TRUST[SourceKind.SERVER], newest[channel], NOBODY), granted)
            for channel, granted in agreed(state).items()
        },
    )


def agreed(state: ProfileState) -> dict[str, bool]:
    """By channel, whether the customer agreed; a channel of which nobody said anything is left out."""
    return permission.agreed(state.permissions, state.joined, state.vouched)


def public_names(traits: Mapping[str, Trait], names: Iterable[str]) -> tuple[str, ...]:
    """Returns those of these traits' names whose value only a public key says, or somebody at a browser."""
    return tuple(name for name in names if traits[name].stamp.trust == TRUST[SourceKind.PUBLIC])


def counted(event: Event) -> list[tuple[str, str, int]]:
    """What an event adds to the full counts that top lists are ranked from: (kind, name, times).

    What was bought is not among them: it derives from the order rows, where an order counts once.
    """
    if event.claim:
        return []
    match event.body:
        case PageViewed(path=path, url=url) if path or url:
            return [("page", (path or url)[:MAX_COUNTED_NAME], 1)]
        case ProductViewed(category=category, sku=sku):
            viewed = [("product_viewed", sku[:MAX_COUNTED_NAME], 1)]
            return [*viewed, ("category_viewed", category[:MAX_COUNTED_NAME], 1)] if category else viewed
        case _:
            return []


def plain(said: Mapping[str, Trait], limit: int) -> dict[str, Any]:
    """Values without their stamps, at most `limit`, by name."""
    return {name: said[name].value for name in sorted(said)[:limit]}


_Value = TypeVar("_Value")


def _last_writer_wins(one: dict[str, Trait], other: dict[str, Trait]) -> dict[str, Trait]:
    if not one or not other:
        return one or other
    joined = dict(one)
    for name, trait in other.items():
        mine = joined.get(name)
        if mine is None or mine.stamp < trait.stamp:
            joined[name] = trait
    return joined


def _both(
    one: Mapping[str, _Value], other: Mapping[str, _Value], neutral: _Value
) -> Iterable[tuple[str, _Value, _Value]]:
    return ((name, one.get(name, neutral), other.get(name, neutral)) for name in {**one, **other})


def _least(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _greatest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
