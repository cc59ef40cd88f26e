"""A customer who was taken for one and is two: which identities and events go with whom.

An event goes with the strongest identity that it names and that one of the two has, as it would have gone had they
never been one. What names nobody, such as the fact that a message was sent, goes with what caused it. All else stays.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from uuid import UUID

from services.profile.domain.fold import claimed_in
from services.profile.domain.identity import linking
from shared.contracts import orders
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.identity import Identity, Namespace, strength

Name = tuple[str, str]
"""Namespace and value of an identity, as they are stored."""


class Side(StrEnum):
    """Which of the two a customer is after a split."""

    KEPT = "kept"
    SEPARATED = "separated"


def names_of(event: Event) -> tuple[Name, ...]:
    """Returns the names by which an event says whose it is, strongest first.

    A user id that a public key names may be a server's, or one that only public keys know.
    """
    found: list[Name] = []
    for one in sorted(linking(event), key=strength):
        found.append((one.namespace.value, one.value))
        if event.source_kind is SourceKind.PUBLIC and one.namespace.kind is Namespace.USER_ID:
            found.append(claim_of(one))
    return tuple(found)


def claim_of(identity: Identity) -> Name:
    """Returns a user id as it is stored while only public keys name it."""
    return claimed_in(identity.namespace.space), identity.value


def going(events: Iterable[Event], separated: Collection[Name], kept: Collection[Name]) -> set[UUID]:
    """Returns the ids of those of a customer's events that go with the separated identities."""
    gone: set[UUID] = set()
    unnamed: list[Event] = []
    for event in events:
        name = next((one for one in names_of(event) if one in separated or one in kept), None)
        if name is None:
            unnamed.append(event)
        elif name in separated:
            gone.add(event.event_id)
    # A cause is less deep than what it caused.
    for event in sorted(unnamed, key=lambda one: one.depth):
        if event.cause_id in gone:
            gone.add(event.event_id)
    return gone


def orders_going(events: Iterable[Event], gone: Collection[UUID]) -> set[str]:
    """Returns the orders, by their keys, of which all that a customer's events state goes."""
    parts: dict[str, set[bool]] = {}
    for event in events:
        if (key := orders.order_key(event)) is not None and not event.unverified:
            parts.setdefault(key, set()).add(event.event_id in gone)
    return {key for key, found in parts.items() if found == {True}}


def under(survivors: Mapping[UUID, UUID], root: UUID) -> set[UUID]:
    """Returns a merged profile and all that were merged into it, given into which each was merged."""
    found = {root}
    grew = True
    while grew:
        more = {loser for loser, survivor in survivors.items() if survivor in found} - found
        grew = bool(more)
        found |= more
    return found
