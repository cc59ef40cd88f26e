"""Identities: who an event says it is about, in one normal form.

A normal form is part of the contract because two services that spell one mail address differently would
make two customers of one person.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec


class Namespace(StrEnum):
    """The kinds of identity, strongest first."""

    USER_ID = "user_id"
    EMAIL = "email"
    PHONE = "phone"
    ANONYMOUS_ID = "anonymous_id"


STRENGTH: Final = {namespace: rank for rank, namespace in enumerate(Namespace)}

MAX_VALUE_LENGTH: Final = 256  # characters
REMEMBERED_SECRETS: Final = 8  # a process has one; setting up its hash costs as much as hashing


class Identity(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """One identity: a namespace and a value in its normal form."""

    namespace: Namespace
    value: str

    def __str__(self) -> str:
        return self.namespace + ":" + self.value


def best(identities: Iterable[Identity]) -> Identity | None:
    """Returns the strongest identity; ties go to the least value, so that every sender chooses alike."""
    found: Identity | None = None
    for one in identities:
        if found is None or (STRENGTH[one.namespace], one.value) < (STRENGTH[found.namespace], found.value):
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
