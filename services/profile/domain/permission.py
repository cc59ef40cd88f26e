"""Consent by channel, so that joining two profiles never makes a yes of a no.

Each statement stays with whom it was made of. A yes lifts an earlier no of somebody else only if a trusted source had
said, before the customer gave that yes, that the two are one. All of it is a join: any order of the same events gives
the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.contracts.envelope import Event, SourceKind
from shared.contracts.identity import STRENGTH, Identity, Namespace

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)  # of what was joined before it was kept since when
WHOLE: Final = "profile"  # of whom an event speaks that names a profile, and no identity

Joined = dict[str, dict[str, datetime]]


class Permission(msgspec.Struct, frozen=True, array_like=True):
    """When somebody last agreed to a channel, and when they last refused it; by the customer's time."""

    granted: datetime | None = None
    withdrawn: datetime | None = None


def said_by(event: Event, consent: Mapping[str, bool]) -> dict[str, dict[str, Permission]]:
    """What an event says of consent: nothing, if a public key says it."""
    if event.source_kind is SourceKind.PUBLIC or not consent:
        return {}
    said = {channel: (event.occurred_at, granted) for channel, granted in consent.items()}
    return said_of(_names(event) or [WHOLE], said)


def said_of(names: Sequence[str], said: Mapping[str, tuple[datetime, bool]]) -> dict[str, dict[str, Permission]]:
    """These statements, made of whoever has these names, strongest first. A no is kept once, a yes under each name."""
    found: dict[str, dict[str, Permission]] = {}
    for channel, (at, granted) in said.items():
        for name in names if granted else names[:1]:
            found.setdefault(name, {})[channel] = Permission(at, None) if granted else Permission(None, at)
    return found


def joined_by(event: Event) -> Joined:
    """Since when a trusted source says that the identities of this event are one customer: since it was received."""
    if len(event.identities) < 2 or event.claim or event.source_kind is SourceKind.PUBLIC:
        return {}
    first, *others = _names(event)
    return {first: dict.fromkeys(others, event.received_at)} if others else {}


def joined_always(names: Sequence[str]) -> Joined:
    """What is known of a profile of before: these were one."""
    return {names[0]: dict.fromkeys(names[1:], ALWAYS)} if len(names) > 1 else {}


def merge(
    one: dict[str, dict[str, Permission]], other: dict[str, dict[str, Permission]]
) -> dict[str, dict[str, Permission]]:
    """The union of both."""
    if not one or not other:
        return one or other
    found = dict(one)
    for name, said in other.items():
        mine = found.get(name, {})
        found[name] = {
            **mine,
            **{channel: _newest(mine.get(channel, Permission()), two) for channel, two in said.items()},
        }
    return found


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
    permissions: Mapping[str, Mapping[str, Permission]], joined: Joined, vouched: Iterable[str]
) -> dict[str, bool]:
    """By channel: False if any no stands, else True if anybody said yes.

    What was said of an anonymous id counts only if a trusted source says whose it is.
    """
    known = {f"{Namespace.ANONYMOUS_ID.value}:{value}" for value in vouched}
    by_channel: dict[str, dict[str, Permission]] = {}
    for name, said in permissions.items():
        if name in known or not name.startswith(f"{Namespace.ANONYMOUS_ID.value}:"):
            for channel, one in said.items():
                by_channel.setdefault(channel, {})[name] = one
    return {channel: _stands(said, joined) for channel, said in sorted(by_channel.items())}


def newest(permissions: Mapping[str, Mapping[str, Permission]]) -> dict[str, datetime]:
    """By channel, when somebody said anything of it last."""
    found: dict[str, datetime] = {}
    for said in permissions.values():
        for channel, one in said.items():
            for moment in (one.granted, one.withdrawn):
                if moment is not None:
                    found[channel] = max(moment, found.get(channel, moment))
    return found


def _stands(said: Mapping[str, Permission], joined: Joined) -> bool:
    granted = {name: one.granted for name, one in said.items() if one.granted is not None}
    withdrawn = {name: one.withdrawn for name, one in said.items() if one.withdrawn is not None}
    return all(
        any(yes > no and who in _known_as(name, joined, yes) for who, yes in granted.items())
        for name, no in withdrawn.items()
    )


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
    return Permission(_later(one.granted, other.granted), _later(one.withdrawn, other.withdrawn))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


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
