"""Whom one event of a trusted source brings together, and what it does not."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.contracts.identity import Identity, Namespace

CONTACTS: Final = frozenset({Namespace.EMAIL, Namespace.PHONE})

# So many others may stand behind one value: mail addresses and phone numbers of one customer, or customers who gave
# it and are somebody else. Behind a value that has more, such as the number of a shop's own till, stand strangers.
# What speaks for these numbers: docs/decisions/0048-who-is-nobody.md.
DEFAULT_LIMITS: Final[Mapping[Namespace, int]] = {
    Namespace.EMAIL: 5,
    Namespace.PHONE: 3,
    Namespace.ANONYMOUS_ID: 3,
}

_NO_LIMIT: Final = 2**31
TWO_USERS: Final = "two user ids are joined by an explicit merge only"
PUBLIC_LINK: Final = "a public key made the link, to somebody whom a trusted source knows"
PARTED: Final = "somebody who knows better parted the two"
ANOTHER_USER: Final = "a public key says that it is another user's"
TOO_MANY: Final = "more other mail addresses and phone numbers stand behind this value than its limit"
SHARED: Final = "more other customers give this value than its limit"


@dataclass(slots=True)
class Known:
    """What the rules need to know of a profile.

    `users` and `contacts` come from trusted sources alone; `claimed` are the user ids that only public keys name; each
    user id with its space.
    `vouched` are those of its anonymous ids, `devices`, that a trusted source linked. `parted` has, by split, which
    side it is.
    """

    first_seen: datetime
    users: set[Identity] = field(default_factory=set)
    claimed: set[Identity] = field(default_factory=set)
    contacts: set[Identity] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    vouched: set[str] = field(default_factory=set)
    parted: dict[str, str] = field(default_factory=dict)

    @property
    def named(self) -> bool:
        """Whether it is somebody: with a user id, a mail address or a phone number."""
        return bool(self.users or self.contacts)

    @property
    def owned(self) -> bool:
        """Whether a trusted source has linked anything to it: then no public key has a say in it."""
        return bool(self.named or self.vouched)

    def absorb(self, other: "Known") -> None:
        """Makes this the union of both."""
        self.first_seen = min(self.first_seen, other.first_seen)
        self.users |= other.users
        self.claimed |= other.claimed
        self.contacts |= other.contacts
        self.devices |= other.devices
        self.vouched |= other.vouched
        self.parted |= other.parted

    def apart(self, other: "Known") -> bool:
        """Returns whether a split parted the two: then they are never joined again."""
        return parted(self.parted, other.parted)


def parted(sides: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Returns whether two customers, each with its side in the splits that it came out of, are two sides of one."""
    return bool(sides and others) and any(others.get(split, side) != side for split, side in sides.items())


def clash(users: Iterable[Identity], others: Iterable[Identity]) -> bool:
    """Returns whether both have a user id in one space: then they are two users, if they are two."""
    return not {one.namespace for one in users}.isdisjoint(one.namespace for one in others)


@dataclass(slots=True)
class Meeting:
    """The profiles and the unowned identities that an event joins, as they are added, strongest first."""

    everybody: Mapping[UUID, Known]
    limits: Mapping[Namespace, int]
    fan_out: Mapping[Identity, Collection[UUID]] = field(default_factory=dict)  # who else gave a value, and was refused
    profiles: list[UUID] = field(default_factory=list)
    fresh: list[Identity] = field(default_factory=list)
    users: set[Identity] = field(default_factory=set)
    claimed: set[Identity] = field(default_factory=set)
    contacts: set[Identity] = field(default_factory=set)
    by: Identity | None = None

    def join(self, owner: UUID, identity: Identity) -> None:
        """Adds the profile that owns an identity."""
        known = self.everybody[owner]
        self.by = self.by or identity
        self.profiles.append(owner)
        self.users |= known.users
        if identity.namespace.kind is Namespace.USER_ID:
            self.users.add(identity)
        self.claimed |= known.claimed
        self.contacts |= known.contacts

    def apart(self, owner: UUID) -> bool:
        """Returns whether a split parted a profile from one of those who met so far."""
        known = self.everybody[owner]
        return any(known.apart(self.everybody[one]) for one in self.profiles)

    def add(self, identity: Identity) -> None:
        """Adds an identity that nobody owns."""
        self.by = self.by or identity
        self.fresh.append(identity)
        if identity.namespace.kind is Namespace.USER_ID:
            self.users.add(identity)
        elif identity.namespace in CONTACTS:
            self.contacts.add(identity)

    def objection_to_profile(self, owner: UUID, identity: Identity) -> str:
        """Returns why this identity's owner is somebody else than those who met so far; empty if nothing says so."""
        if self.by is None:
            return ""
        known = self.everybody[owner]
        if self.apart(owner):
            return PARTED
        if clash(self.users, known.users):
            return TWO_USERS
        linked_by_public = identity.namespace is Namespace.ANONYMOUS_ID and identity.value not in known.vouched
        if linked_by_public and known.owned:
            return PUBLIC_LINK
        unproven = (self.claimed | known.claimed) - self.users - known.users
        if len(unproven) > 1 or (unproven and (self.users or self.contacts or known.named)):
            return ANOTHER_USER
        if self._is_shared(identity):
            return SHARED
        behind = known.contacts if self.users else known.contacts | self.contacts
        return self._objection_to_many(behind, identity)

    def objection_to_fresh(self, identity: Identity) -> str:
        """Returns why an identity that nobody owns is not linked; empty if nothing speaks against it."""
        if self.by is None or identity.namespace not in CONTACTS:
            return ""
        if self._is_shared(self.by):
            return SHARED
        return "" if self.users else self._objection_to_many(self.contacts | {identity}, self.by)

    def _is_shared(self, value: Identity) -> bool:
        """Returns whether this value, or that by which the others met, is many's. A user id says who is meant."""
        assert self.by is not None
        if self.by.namespace is Namespace.USER_ID:
            return False
        return any(
            len(self.fan_out.get(one, ())) > self.limits.get(one.namespace, _NO_LIMIT) for one in (value, self.by)
        )

    def _objection_to_many(self, behind: set[Identity], value: Identity) -> str:
        limit = self.limits.get(value.namespace)
        return "" if limit is None or len(behind - {value}) <= limit else TOO_MANY
