"""Identities: who an event says it is about, in one normal form.

A normal form is part of the contract because two services that spell one mail address differently would
make two customers of one person.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

_SPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def is_space(text: str) -> bool:
    """Returns whether this may be the name of a space: small letters, digits and hyphens, at most 40."""
    return _SPACE.fullmatch(text) is not None


class Namespace(StrEnum):
    """The kinds of identity, strongest first.

    User ids of a source that has a space of its own are in a namespace of their own: `user_id@shop-a`. It is not among
    the members; `Namespace("user_id@shop-a")` makes it. Ask for `kind` where all spaces are meant.
    """

    USER_ID = "user_id"
    EMAIL = "email"
    PHONE = "phone"
    ANONYMOUS_ID = "anonymous_id"

    @property
    def kind(self) -> "Namespace":
        """The namespace without its space."""
        return self if "@" not in self.value else Namespace.USER_ID

    @property
    def space(self) -> str:
        """The space, empty for the common one."""
        return self.value.partition("@")[2]

    @classmethod
    def _missing_(cls, value: object) -> "Namespace | None":
        kind, _, space = value.partition("@") if isinstance(value, str) else ("", "", "")
        if kind != "user_id" or not is_space(space):
            return None
        return _spaced(f"{kind}@{space}")


@lru_cache(1_024)
def _spaced(value: str) -> Namespace:
    member = str.__new__(Namespace, value)
    member._name_ = value.upper()
    member._value_ = value
    return member


def user_ids_of(space: str) -> Namespace:
    """Returns the namespace of the user ids in a space."""
    return Namespace(f"user_id@{space}") if space else Namespace.USER_ID


STRENGTH: Final = {namespace: rank for rank, namespace in enumerate(Namespace)}  # by kind

MAX_VALUE_LENGTH: Final = 256  # characters
REMEMBERED_SECRETS: Final = 8  # a process has one; setting up its hash costs as much as hashing


class Identity(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """One identity: a namespace and a value in its normal form."""

    namespace: Namespace
    value: str

    def __str__(self) -> str:
        return self.namespace + ":" + self.value


def strength(identity: Identity) -> tuple[int, str, str]:
    """Returns what identities are sorted by, strongest first: their kind, their space, their value."""
    return STRENGTH[identity.namespace.kind], identity.namespace.value, identity.value


def best(identities: Iterable[Identity]) -> Identity | None:
    """Returns the strongest identity; ties go to the least value, so that every sender chooses alike."""
    found: Identity | None = None
    for one in identities:
        if found is None or strength(one) < strength(found):
            found = one
    return found


def canonical_id(merges: Mapping[UUID, UUID], profile_id: UUID) -> UUID:
    """Returns the profile that this one was finally merged into, given into which each loser was merged."""
    while profile_id in merges:
        profile_id = merges[profile_id]
    return profile_id


def way(merges: Mapping[UUID, UUID], profile_id: UUID) -> Iterator[UUID]:
    """Yields the losers on the way from this profile to the one that it was finally merged into, itself first."""
    while profile_id in merges:
        yield profile_id
        profile_id = merges[profile_id]


def partition_key(identity: str, *, secret: bytes) -> bytes:
    """Returns a keyed hash (BLAKE2b, 16 bytes) of an identity: equal identities meet in one partition, and nobody else
    can read them.

    Source: RFC 7693, keyed mode. At most 64 bytes of `secret` are used.
    """
    hasher = _keyed(secret).copy()
    hasher.update(identity.encode())
    return hasher.digest()


@lru_cache(REMEMBERED_SECRETS)
def _keyed(secret: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(key=secret[:64], digest_size=16)
