"""What a profile's events add up to.

`state_of` says what one event adds; `merge` joins two states. `merge` is commutative and associative, and the
empty state is its neutral element, so any order and any batching of a set of events give one state, and two
profiles merge into the state of the union of their events. (Doubles are removed by event id before.) Orders are
kept apart, one row per order id, with laws of their own: `shared.contracts.orders`.

A state has bounds, so that one more event costs the same whatever came before. Each keeps the greatest n of a set, by
one total order: of two joined sets the greatest n are among the greatest n of each, so the laws hold within the bounds.
That is why what public keys say stands apart from what others say: with one bound over both, a public trait that a
server says later would make room for one that is gone.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from heapq import nsmallest
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from services.profile.domain import contact, dates, localization, permission, survey
from services.profile.domain import standing as standing_words
from services.profile.domain.bounds import gone
from services.profile.domain.contact import Point
from services.profile.domain.dates import Dated
from services.profile.domain.localization import StampedValue
from services.profile.domain.permission import Permission, Refusal, Statement
from services.profile.domain.standing import Standing
from services.profile.domain.survey import Answer, Tally
from shared.contracts import dated_facts
from shared.contracts.envelope import TRUST, Event, SourceKind, Stamp
from shared.contracts.events import CustomerIdentified, PageViewed, ProductViewed, TraitSet
from shared.contracts.identity import Namespace

CLAIMED_USER_ID: Final = "unverified_user_id"  # the namespace of user ids that only public keys name
NOBODY: Final = UUID(int=0)
MAX_COUNTED_NAME: Final = 200  # characters of a page path or category that is counted
MAX_PUBLIC_TRAITS: Final = 100  # names stated by public keys; the oldest go
MAX_TRAITS: Final = 1_000  # names stated by servers and services, likewise
MAX_PUBLIC_TRAIT_BYTES: Final = 1_000  # of one such trait with its name, as JSON; a larger one is not kept
MAX_TRAIT_BYTES: Final = 10_000  # likewise of servers and services
MAX_ANONYMOUS_IDS: Final = 100  # the least are kept here; the table of identities has all
MAX_IDENTITIES: Final = 1_000  # of any other namespace, likewise


class Trait(msgspec.Struct, frozen=True, array_like=True):
    """A value and the stamp of the event that stated it last."""

    stamp: Stamp
    value: Any


def claimed_in(space: str) -> str:
    """Returns the namespace of the user ids of a space that only public keys name."""
    return f"{CLAIMED_USER_ID}@{space}" if space else CLAIMED_USER_ID


class LinkedIdentity(NamedTuple):
    """An identity that a profile gained; `vouched`: a trusted source linked it."""

    namespace: str
    value: str
    vouched: bool


class ProfileState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a profile that is a join of what its events say, and of which identities were linked.

    `traits` are those that servers and services state; those of before there was `public_traits` may stand there, too.
    `vouched` are the anonymous ids that a trusted source linked. `parted` has, by split, which side the customer is.
    `permissions`, `joined`, `refusals` and `verified` are
    as `permission` has them, `contact_points` as `contact` has them, `answers` as `survey` has them, `dated_facts` as
    `dates` has them, `locale` as `localization` has it. `feedback` sums up the answers of before. `consent` is how the
    release before says it: see `current`, `stored`.
    """

    first_seen: datetime | None = None
    last_seen: datetime | None = None
    events: int = 0
    page_views: int = 0
    traits: dict[str, Trait] = {}
    public_traits: dict[str, Trait] = {}
    consent: dict[str, Trait] = {}
    feedback: dict[str, Tally] = {}
    identities: dict[str, tuple[str, ...]] = {}
    vouched: tuple[str, ...] = ()
    permissions: dict[str, dict[str, Permission]] = {}
    joined: dict[str, dict[str, datetime]] = {}
    contact_points: dict[str, dict[str, Point]] = {}
    refusals: dict[str, dict[str, Refusal]] = {}
    verified: dict[str, datetime] = {}
    answers: dict[str, Answer] = {}
    dated_facts: dict[str, Dated] = {}
    locale: dict[str, StampedValue] = {}
    parted: dict[str, str] = {}


EMPTY: Final = ProfileState()


def state_of(event: Event) -> ProfileState:
    """Returns what one event adds. A claim is seen, and believed in nothing.

    Consent and addresses come from trusted sources alone, but for what a visitor withdraws.
    """
    traits: dict[str, Trait] = {}
    answers: dict[str, Answer] = {}
    dated: dict[str, Dated] = {}
    locale: dict[str, StampedValue] = {}
    page_views = 0
    if not event.unverified:
        answers = survey.answered_by(event)
        locale = localization.in_context(event)
        match event.body:
            case CustomerIdentified(traits=stated) | TraitSet(traits=stated):
                stamp = _stamp(event)
                locale |= localization.in_traits(event.body, stamp)
                traits = _newest({name: Trait(stamp, value) for name, value in _kept(event, stated)}, _most(event))
                dated = dates.stated_by(stated, stamp)
            case PageViewed():
                page_views = 1
    public = _is_public(event)
    return ProfileState(
        first_seen=event.occurred_at,
        last_seen=event.occurred_at,
        events=1,
        page_views=page_views,
        traits={} if public else traits,
        public_traits=traits if public else {},
        permissions=permission.permissions_by(event),
        joined=permission.joined_by(event),
        contact_points=contact.named_by(event),
        refusals=permission.refused_by(event),
        verified=permission.verified_by(event),
        answers=answers,
        dated_facts=dated,
        locale=locale,
    )


def _stamp(event: Event) -> Stamp:
    """As the event's own; but whoever sits at a browser can make a server speak of its anonymous id."""
    stamp = event.stamp
    if event.identities and all(one.namespace is Namespace.ANONYMOUS_ID for one in event.identities):
        return msgspec.structs.replace(stamp, trust=TRUST[SourceKind.PUBLIC])
    return stamp


def merge(one: ProfileState, other: ProfileState) -> ProfileState:
    """Returns the state of the union of two disjoint sets of events."""
    return ProfileState(
        first_seen=_least(one.first_seen, other.first_seen),
        last_seen=_greatest(one.last_seen, other.last_seen),
        events=one.events + other.events,
        page_views=one.page_views + other.page_views,
        traits=_newest(_last_writer_wins(one.traits, other.traits), MAX_TRAITS),
        public_traits=_newest(_last_writer_wins(one.public_traits, other.public_traits), MAX_PUBLIC_TRAITS),
        feedback={
            name: Tally(a.answers + b.answers, a.total + b.total)
            for name, a, b in _both(one.feedback, other.feedback, Tally())
        },
        identities={
            namespace: _least_values(namespace, a, b) for namespace, a, b in _both(one.identities, other.identities, ())
        },
        vouched=permission.merge_vouched(one.vouched, other.vouched),
        permissions=permission.merge(one.permissions, other.permissions),
        joined=permission.merge_joined(one.joined, other.joined),
        contact_points=contact.merge(one.contact_points, other.contact_points, most=MAX_IDENTITIES),
        refusals=permission.merge_refusals(one.refusals, other.refusals),
        verified=permission.merge_verified(one.verified, other.verified),
        answers=survey.merge(one.answers, other.answers),
        dated_facts=dates.merge(one.dated_facts, other.dated_facts),
        locale=localization.merge(one.locale, other.locale),
        parted=_sides(one.parted, other.parted),
    )


def fold(events: Iterable[Event], onto: ProfileState = EMPTY) -> ProfileState:
    """Returns the state after these events. Each event must be folded once."""
    return reduce(merge, map(state_of, events), onto)


def with_identities(state: ProfileState, gained: Iterable[LinkedIdentity]) -> ProfileState:
    """Returns the state after these identities were linked."""
    added: dict[str, set[str]] = {}
    vouched: set[str] = set()
    for namespace, value, trusted in gained:
        added.setdefault(namespace, set()).add(value)
        if trusted and namespace == Namespace.ANONYMOUS_ID:
            vouched.add(value)
    identities = {name: tuple(sorted(values)) for name, values in added.items()}
    return merge(state, ProfileState(identities=identities, vouched=tuple(sorted(vouched))))


def current(state: ProfileState) -> ProfileState:
    """Returns a stored state as it is folded.

    What states of before keep as consent was stated of the profile as it was then: of its strongest identity, to which
    all the others belonged already.
    """
    if not state.consent:
        return state
    if state.permissions or state.refusals:
        return msgspec.structs.replace(state, consent={})
    names = [f"{namespace.value}:{one}" for namespace in Namespace for one in state.identities.get(namespace.value, ())]
    trusted = {channel: one for channel, one in state.consent.items() if one.stamp.trust > TRUST[SourceKind.PUBLIC]}
    stated = ProfileState(
        permissions=permission.permissions_of(
            names[:1], {name: Statement(one.stamp.occurred_at, one.value) for name, one in trusted.items()}
        ),
        joined=permission.joined_always(names),
    )
    return merge(msgspec.structs.replace(state, consent={}), stated)


def stored(state: ProfileState) -> ProfileState:
    """Returns a state as it is stored.

    It has consent as the release before reads it, which runs beside this one for a while.
    """
    newest = standing_words.newest(state.permissions)
    return msgspec.structs.replace(
        state,
        consent={
            (spelt := str(one.pair)): Trait(
                Stamp(TRUST[SourceKind.SERVER], max(one.changed_at, newest.get(spelt, one.changed_at)), NOBODY),
                one.granted,
            )
            for one in standing(state)
        },
    )


def agreed(state: ProfileState) -> dict[str, bool]:
    """Returns by pair whether the customer agreed. A pair of which nobody stated anything is left out."""
    return {str(one.pair): one.granted for one in standing(state)}


def standing(state: ProfileState) -> list[Standing]:
    """Returns the customer's standing consent, by channel and purpose."""
    return standing_words.agreed(state.permissions, state.joined, state.vouched, state.refusals, state.verified)


def to_tell(state: ProfileState, *, limit: int) -> list[Standing]:
    """Returns at most `limit` of them, the granted ones first: for readers, what they are not told is not granted."""
    return sorted(standing(state), key=lambda one: not one.granted)[:limit]


def public_names(traits: Mapping[str, Trait], names: Iterable[str]) -> tuple[str, ...]:
    """Returns those of these traits' names whose value only a public key says, or somebody at a browser."""
    return tuple(name for name in names if traits[name].stamp.trust == TRUST[SourceKind.PUBLIC])


def traits_of(state: ProfileState) -> dict[str, Trait]:
    """Returns the traits of a profile: of a name that a server and a browser state, the server's."""
    return _last_writer_wins(state.public_traits, state.traits)


def left_out(event: Event, before: ProfileState, after: ProfileState, *, added: ProfileState) -> int:
    """Returns how much went, or was not kept, because of the bounds, when this event was folded.

    Counted are traits, addresses, answers, dated facts and whatever consent is decided by. `added` is `state_of` the
    event, and `after` the merge of `before` with it.
    """
    went = sum(gone(getattr(before, part), getattr(added, part), getattr(after, part)) for part in _BOUNDED_PARTS)
    return went + _traits_left_out(event, before, after, added=added)


_BOUNDED_PARTS: Final = (
    *("permissions", "joined", "refusals", "verified", "contact_points", "answers", "dated_facts"),
)


def _traits_left_out(event: Event, before: ProfileState, after: ProfileState, *, added: ProfileState) -> int:
    if not isinstance(event.body, CustomerIdentified | TraitSet) or event.unverified:
        return 0
    stated = sum(value is not None and name != dated_facts.TRAIT for name, value in event.body.traits.items())
    if _is_public(event):
        known, new, now = before.public_traits, added.public_traits, after.public_traits
    else:
        known, new, now = before.traits, added.traits, after.traits
    return stated - len(new) + len(known.keys() | new.keys()) - len(now)


def counted(event: Event) -> list[tuple[str, str, int]]:
    """Returns what an event adds to the full counts that top lists are ranked from: (kind, name, times).

    What was bought is not among them: it derives from the order rows, where an order counts once.
    """
    if event.unverified:
        return []
    match event.body:
        case PageViewed(path=path, url=url) if path or url:
            return [("page", (path or url)[:MAX_COUNTED_NAME], 1)]
        case ProductViewed(category=category, sku=sku):
            viewed = [("product_viewed", sku[:MAX_COUNTED_NAME], 1)]
            return [*viewed, ("category_viewed", category[:MAX_COUNTED_NAME], 1)] if category else viewed
        case _:
            return []


def plain(traits: Mapping[str, Trait], limit: int) -> dict[str, Any]:
    """Returns values without their stamps, at most `limit`, by name."""
    return {name: traits[name].value for name in sorted(traits)[:limit]}


def _kept(event: Event, stated: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The traits that an event says, but those too large to be kept, and the list of dated facts, which are kept."""
    most = MAX_PUBLIC_TRAIT_BYTES if _is_public(event) else MAX_TRAIT_BYTES
    return [
        item
        for item in stated.items()
        if item[1] is not None and item[0] != dated_facts.TRAIT and len(msgspec.json.encode(item)) <= most
    ]


def _most(event: Event) -> int:
    return MAX_PUBLIC_TRAITS if _is_public(event) else MAX_TRAITS


def _is_public(event: Event) -> bool:
    """Whether what an event says has the least trust: then it must not push out what has more."""
    return _stamp(event).trust == TRUST[SourceKind.PUBLIC]


def _newest(traits: dict[str, Trait], most: int) -> dict[str, Trait]:
    """The newest of these, and of one event the greatest names."""
    if len(traits) <= most:
        return traits
    gone = nsmallest(len(traits) - most, traits, key=lambda name: (traits[name].stamp, name))
    return {name: traits[name] for name in traits.keys() - gone}


def _least_values(namespace: str, one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    kind = namespace.partition("@")[0]
    most = MAX_ANONYMOUS_IDS if kind in (Namespace.ANONYMOUS_ID, CLAIMED_USER_ID) else MAX_IDENTITIES
    return tuple(sorted({*one, *other})[:most]) if one and other else (one or other)[:most]


def _sides(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    if not one or not other:
        return one or other
    return {split: max(a, b) for split, a, b in _both(one, other, "")}


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
