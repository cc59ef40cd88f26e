"""Consent by channel and purpose, so that joining two profiles never makes a yes of a no.

Each statement stays with whom it was made of. A yes lifts an earlier no of somebody else only if a trusted source had
said, before the customer gave that yes, that the two are one. All of it is a join: any order of the same events gives
the same. What consent is to is spelt as `shared.contracts.consent` has it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from heapq import nlargest
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.profile.domain.contact import verified_contacts
from shared.contracts.consent import CHANNELS, Pair, is_word, pair_of
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, ConsentChanged, CustomerIdentified
from shared.contracts.identity import STRENGTH, Identity, Namespace

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)  # of what was joined before it was kept since when
WHOLE: Final = "profile"  # of whom an event speaks that names a profile, and no identity
NO_EVENT: Final = UUID(int=0)  # of a statement of before it was kept which event made it
EMAIL: Final = "email"
MAX_CONFIRMATIONS: Final = 3  # asked for because of one event
MAX_PUBLIC_REFUSALS: Final = 20  # that public keys say of one anonymous id; the newest are kept

Joined = dict[str, dict[str, datetime]]


class Permission(msgspec.Struct, frozen=True, array_like=True):
    """When somebody last agreed, and when they last refused, by the customer's time; and the events that said so."""

    granted: datetime | None = None
    withdrawn: datetime | None = None
    granted_by: UUID = NO_EVENT
    withdrawn_by: UUID = NO_EVENT


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """What a public key said was withdrawn: last `at`, by the customer's time, and first received `since`."""

    at: datetime
    by: UUID
    since: datetime


Permissions = dict[str, dict[str, Permission]]  # by the name of whom it was said, then by what it is to
Refusals = dict[str, dict[str, Refusal]]


class Standing(NamedTuple):
    """What stands of a customer's consent to one pair, since when, and which event said so, if that is known."""

    pair: Pair
    granted: bool
    changed_at: datetime
    event_id: UUID


class Statement(NamedTuple):
    """One yes or no, by the customer's time."""

    at: datetime
    granted: bool
    by: UUID = NO_EVENT


def statements(body: Body) -> dict[str, bool]:
    """What a fact says of consent, by what it is to."""
    match body:
        case CustomerIdentified() if body.consent:
            return {str(pair_of(spelt)): granted for spelt, granted in body.consent.items()}
        case ConsentChanged():
            return {str(Pair(body.channel, body.purpose)): body.granted}
    return {}


def said_by(event: Event) -> Permissions:
    """What an event says of consent: nothing, if a public key says it, or if it is a claim."""
    if event.source_kind is SourceKind.PUBLIC or event.claim or not (said := statements(event.body)):
        return {}
    made = {spelt: Statement(event.occurred_at, granted, event.event_id) for spelt, granted in said.items()}
    return said_of(_names(event) or [WHOLE], made)


def said_of(names: Sequence[str], said: Mapping[str, Statement]) -> Permissions:
    """These statements, made of whoever has these names, strongest first. A no is kept once, a yes under each name."""
    found: Permissions = {}
    for spelt, one in said.items():
        for name in names if one.granted else names[:1]:
            found.setdefault(name, {})[spelt] = (
                Permission(granted=one.at, granted_by=one.by)
                if one.granted
                else Permission(withdrawn=one.at, withdrawn_by=one.by)
            )
    return found


def refused_by(event: Event) -> Refusals:
    """What a public key, that may speak of consent, says a visitor withdrew. What it grants is asked for elsewhere."""
    if event.source_kind is not SourceKind.PUBLIC or event.claim:
        return {}
    refused = [
        spelt
        for spelt, granted in statements(event.body).items()
        if not granted and (pair := pair_of(spelt)).channel in CHANNELS and is_word(pair.purpose)
    ]
    made = {spelt: Refusal(event.occurred_at, event.event_id, event.received_at) for spelt in refused}
    visitor = next((str(one) for one in event.identities if one.namespace is Namespace.ANONYMOUS_ID), None)
    return {visitor: _bounded(made)} if made and visitor else {}


def to_confirm(event: Event) -> list[Pair]:
    """What a visitor agreed to and the mailbox of `confirm_at` is to be asked about: mail is what can be asked by."""
    body = event.body
    if event.source_kind is not SourceKind.PUBLIC or event.historical:
        return []
    if not isinstance(body, CustomerIdentified | ConsentChanged) or not body.confirm_at:
        return []
    pairs = [pair_of(spelt) for spelt, granted in sorted(statements(body).items()) if granted]
    return [pair for pair in pairs if pair.channel == EMAIL and is_word(pair.purpose)][:MAX_CONFIRMATIONS]


def verified_by(event: Event) -> dict[str, datetime]:
    """Since when the addresses of an event are known to be verified: since a trusted source's word was received."""
    if event.claim or not (verified := verified_contacts(event)):
        return {}
    return {str(one): event.received_at for one in event.identities if one.namespace in verified}


def joined_by(event: Event) -> Joined:
    """Since when a trusted source says that the identities of this event are one customer: since it was received."""
    if len(event.identities) < 2 or event.claim or event.source_kind is SourceKind.PUBLIC:
        return {}
    first, *others = _names(event)
    return {first: dict.fromkeys(others, event.received_at)} if others else {}


def joined_always(names: Sequence[str]) -> Joined:
    """What is known of a profile of before: these were one."""
    return {names[0]: dict.fromkeys(names[1:], ALWAYS)} if len(names) > 1 else {}


def merge(one: Permissions, other: Permissions) -> Permissions:
    """The union of both."""
    if not one or not other:
        return one or other
    found = dict(one)
    for name, said in other.items():
        mine = found.get(name, {})
        found[name] = {
            **mine,
            **{spelt: _newest(mine.get(spelt, Permission()), two) for spelt, two in said.items()},
        }
    return found


def merge_refusals(one: Refusals, other: Refusals) -> Refusals:
    """The union of both."""
    if not one or not other:
        return one or other
    found = dict(one)
    for name, said in other.items():
        mine = dict(found.get(name, {}))
        for spelt, two in said.items():
            known = mine.get(spelt, two)
            at, by = max((known.at, known.by), (two.at, two.by))
            mine[spelt] = Refusal(at, by, min(known.since, two.since))
        found[name] = _bounded(mine)
    return found


def merge_verified(one: dict[str, datetime], other: dict[str, datetime]) -> dict[str, datetime]:
    """The union of both, each since the first time."""
    if not one or not other:
        return one or other
    return {
        name: min(times) for name in one | other if (times := [each[name] for each in (one, other) if name in each])
    }


def merge_joined(one: Joined, other: Joined) -> Joined:
    """The union of both, each pair since the first time."""
    if not one or not other:
        return one or other
    found = one
    for name, others in other.items():
        mine = found.get(name, {})
        for who, at in others.items():
            if who not in mine or at < mine[who]:
                mine = {**mine, who: at}
                found = {**found, name: mine}
    return found  # nearly always what was known


def agreed(
    permissions: Mapping[str, Mapping[str, Permission]],
    joined: Joined,
    vouched: Iterable[str],
    refusals: Mapping[str, Mapping[str, Refusal]],
    verified: Mapping[str, datetime],
) -> list[Standing]:
    """By what it is to: withdrawn if any no stands, else granted if anybody said yes.

    What was said of an anonymous id counts only if a trusted source says whose it is; of what a public key said is
    withdrawn, what it said before such a source knew the visitor by a user id or a verified address.
    """
    known = {f"{Namespace.ANONYMOUS_ID.value}:{value}" for value in vouched}
    by_spelt: dict[str, dict[str, Permission]] = {}
    for name, said in permissions.items():
        if name in known or not name.startswith(f"{Namespace.ANONYMOUS_ID.value}:"):
            for spelt, one in said.items():
                by_spelt.setdefault(spelt, {})[name] = one
    for name in refusals.keys() & known:
        for spelt, no in refusals[name].items():
            if not _is_verified(_known_as(name, joined, no.since), verified, no.since):
                said_here = by_spelt.setdefault(spelt, {})
                withdrawn = Permission(withdrawn=no.at, withdrawn_by=no.by)
                said_here[name] = _newest(said_here.get(name, Permission()), withdrawn)
    return [_stands(pair_of(spelt), said, joined) for spelt, said in sorted(by_spelt.items())]


def newest(permissions: Mapping[str, Mapping[str, Permission]]) -> dict[str, datetime]:
    """By channel, when somebody said anything of it last."""
    found: dict[str, datetime] = {}
    for said in permissions.values():
        for channel, one in said.items():
            for moment in (one.granted, one.withdrawn):
                if moment is not None:
                    found[channel] = max(moment, found.get(channel, moment))
    return found


def _stands(pair: Pair, said: Mapping[str, Permission], joined: Joined) -> Standing:
    granted = {name: one.granted for name, one in said.items() if one.granted is not None}
    withdrawn = {name: one.withdrawn for name, one in said.items() if one.withdrawn is not None}
    standing = [
        (no, said[name].withdrawn_by)
        for name, no in withdrawn.items()
        if not any(yes > no and who in _known_as(name, joined, yes) for who, yes in granted.items())
    ]
    at, by = max(standing or [(yes, said[name].granted_by) for name, yes in granted.items()])
    return Standing(pair, not standing, at, by)


def _is_verified(names: Iterable[str], verified: Mapping[str, datetime], at: datetime) -> bool:
    """Whether any of these names was that of a user, or a verified address, at that time."""
    return any(_is_user(name) or (name in verified and verified[name] <= at) for name in names)


def _bounded(said: dict[str, Refusal]) -> dict[str, Refusal]:
    if len(said) <= MAX_PUBLIC_REFUSALS:
        return said
    return {
        spelt: said[spelt]
        for spelt in nlargest(MAX_PUBLIC_REFUSALS, said, key=lambda one: (said[one].at, said[one].by, one))
    }


def _known_as(name: str, joined: Joined, at: datetime) -> set[str]:
    """Every name of which it was known at that time that it means the same customer.

    What two users share, then or since, joins them no more here than it does profiles, and a word of one of them is
    none of the other: only an explicit merge, which names both, and was known at that time, does. A chain of names
    that leads from one such user to another says of none of its links whose it is; each user's own word remains.
    """
    explicit = _neighbours(joined, at=at, which=_is_of_users)
    shared = _shared(joined, explicit)
    if name in shared:
        return set()
    whose = {one for one in _reached(name, _chains(joined, explicit, but=shared)) if _is_user(one)}
    if whose and not whose <= _reached(min(whose), explicit):
        return _reached(name, explicit) if _is_user(name) else set()
    return _reached(name, _neighbours(joined, at=at, but=shared))


def _shared(joined: Joined, explicit: Mapping[str, set[str]]) -> frozenset[str]:
    """The names that stand with users whom no explicit merge had made one."""
    users = {
        one: {other for other in others if _is_user(other)}
        for one, others in _neighbours(joined).items()
        if not _is_user(one)
    }
    return frozenset(
        one for one, whose in users.items() if len(whose) > 1 and not whose <= _reached(min(whose), explicit)
    )


def _chains(joined: Joined, explicit: Mapping[str, set[str]], *, but: frozenset[str]) -> dict[str, set[str]]:
    """What stands with what, at any time; but of users with users only what is explicit."""
    near = _neighbours(joined, but=but, which=lambda one, other: not _is_of_users(one, other))
    for one, others in explicit.items():
        near.setdefault(one, set()).update(others)
    return near


def _neighbours(
    joined: Joined,
    *,
    at: datetime | None = None,
    but: frozenset[str] = frozenset(),
    which: Callable[[str, str], bool] = lambda _one, _other: True,
) -> dict[str, set[str]]:
    near: dict[str, set[str]] = {}
    for one, others in joined.items():
        for other, since in others.items():
            if (at is None or since <= at) and one not in but and other not in but and which(one, other):
                near.setdefault(one, set()).add(other)
                near.setdefault(other, set()).add(one)
    return near


def _reached(name: str, near: Mapping[str, set[str]]) -> set[str]:
    found, todo = {name}, [name]
    while todo:
        new = near.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def _is_of_users(one: str, other: str) -> bool:
    return _is_user(one) and _is_user(other)


def _is_user(name: str) -> bool:
    return name.startswith(f"{Namespace.USER_ID.value}:")


def _newest(one: Permission, other: Permission) -> Permission:
    granted, granted_by = _later((one.granted, one.granted_by), (other.granted, other.granted_by))
    withdrawn, withdrawn_by = _later((one.withdrawn, one.withdrawn_by), (other.withdrawn, other.withdrawn_by))
    return Permission(granted, withdrawn, granted_by, withdrawn_by)


def _later(one: tuple[datetime | None, UUID], other: tuple[datetime | None, UUID]) -> tuple[datetime | None, UUID]:
    said = [(at, by) for at, by in (one, other) if at is not None]
    return max(said) if said else (None, NO_EVENT)


def _names(event: Event) -> list[str]:
    """Whom an event is about, strongest first.

    Of an explicit merge, an anonymous id may be a former user id. Any other event that names several user ids is about
    the first alone: it joins them to nobody, and what it says is not theirs.
    """
    named = event.identities
    if event.merges:
        former = (Identity(Namespace.USER_ID, one.value) for one in named if one.namespace is Namespace.ANONYMOUS_ID)
        return [str(one) for one in sorted({*named, *former}, key=_by_strength)]
    ordered = sorted(named, key=_by_strength)
    return [str(one) for n, one in enumerate(ordered) if n == 0 or one.namespace is not Namespace.USER_ID]


def _by_strength(identity: Identity) -> tuple[int, str]:
    return STRENGTH[identity.namespace], identity.value
