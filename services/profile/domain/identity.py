"""Which profile an event belongs to: a decision, taken once and written down.

Identities that one event names together are one customer, if the source may say so. Where no refusal bites, the
profiles are the connected components of that relation, so the order of events does not matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.identity import STRENGTH, Identity, Namespace, stands_for

RULE_VERSION: Final = 1

# What a browser says of a mail address or a phone number proves nothing: anyone can type one in.
PUBLIC_LINKS: Final = frozenset({Namespace.USER_ID, Namespace.ANONYMOUS_ID})


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the identity log. For a merge, `profile_id` survives and `other_id` is gone."""

    kind: Literal["create", "link", "merge", "refuse"]
    profile_id: UUID
    event_id: UUID
    other_id: UUID | None = None
    identity: Identity | None = None
    reason: str = ""


@dataclass(slots=True)
class Known:
    """What the rules need to know of a profile."""

    first_seen: datetime
    has_user: bool


@dataclass(slots=True)
class Identities:
    """Who owns which identity, as far as a batch of events is concerned; `assign` changes it."""

    owners: dict[Identity, UUID]
    profiles: dict[UUID, Known]
    decisions: list[Decision] = field(default_factory=list)
    _gone: dict[UUID, UUID] = field(default_factory=dict)

    def rename(self, called: Mapping[UUID, UUID]) -> None:
        """Takes note of merges that came before this batch."""
        self._gone.update(called)

    def resolve(self, profile_id: UUID) -> UUID:
        """The profile that stands for this one after the merges of this batch."""
        return stands_for(self._gone, profile_id)

    def assign(self, event: Event) -> UUID | None:
        """The profile that this event belongs to, made or merged if need be; None if it names nobody."""
        if event.profile_id is not None and event.source_kind is SourceKind.SERVICE:
            profile_id = self.resolve(event.profile_id)
            if profile_id not in self.profiles:
                return None
            self._seen(profile_id, event)
            return profile_id
        named = linking(event)
        if not named:
            return None
        owners = self._owners(named)
        users = sum(self.profiles[owner].has_user for owner in owners) + sum(
            identity.namespace is Namespace.USER_ID and identity not in self.owners for identity in named
        )
        if event.source_kind is SourceKind.PUBLIC and users > 1:
            return self._refuse(event, named, owners)
        survivor = min(owners, key=lambda one: (self.profiles[one].first_seen, one), default=None)
        if survivor is None:
            survivor = self._create(event)
        for owner in sorted(owners - {survivor}):
            self._merge(event, survivor, owner)
        self._link(event, survivor, named)
        return survivor

    def _owners(self, named: Iterable[Identity]) -> set[UUID]:
        return {self.resolve(self.owners[identity]) for identity in named if identity in self.owners}

    def _refuse(self, event: Event, named: tuple[Identity, ...], owners: set[UUID]) -> UUID:
        """Two users on one device are two customers: the event goes to the strongest identity it names."""
        chosen = named[0]
        profile_id = self.resolve(self.owners[chosen]) if chosen in self.owners else self._create(event)
        for other in sorted(owners - {profile_id}):
            self.decisions.append(
                Decision("refuse", profile_id, event.event_id, other, reason="a public key merges no two users")
            )
        self._link(event, profile_id, [one for one in named if one == chosen or one.namespace is not Namespace.USER_ID])
        return profile_id

    def _create(self, event: Event) -> UUID:
        profile_id = derived_id(event.event_id, "profile", "identity", RULE_VERSION)
        self.profiles[profile_id] = Known(event.occurred_at, has_user=False)
        self.decisions.append(Decision("create", profile_id, event.event_id))
        return profile_id

    def _merge(self, event: Event, survivor: UUID, loser: UUID) -> None:
        kept, gone = self.profiles[survivor], self.profiles.pop(loser)
        self._gone[loser] = survivor
        kept.first_seen = min(kept.first_seen, gone.first_seen)
        kept.has_user = kept.has_user or gone.has_user
        self.decisions.append(Decision("merge", survivor, event.event_id, loser))

    def _link(self, event: Event, profile_id: UUID, named: Iterable[Identity]) -> None:
        self._seen(profile_id, event)
        for identity in named:
            if identity not in self.owners:
                self.owners[identity] = profile_id
                self.profiles[profile_id].has_user |= identity.namespace is Namespace.USER_ID
                self.decisions.append(Decision("link", profile_id, event.event_id, identity=identity))

    def _seen(self, profile_id: UUID, event: Event) -> None:
        known = self.profiles[profile_id]
        known.first_seen = min(known.first_seen, event.occurred_at)


def linking(event: Event) -> tuple[Identity, ...]:
    """The identities by which this event may find, link and merge profiles, strongest first."""
    if event.profile_id is not None and event.source_kind is SourceKind.SERVICE:
        return ()
    trusted = event.source_kind is not SourceKind.PUBLIC
    named = {one for one in event.identities if trusted or one.namespace in PUBLIC_LINKS}
    return tuple(sorted(named, key=lambda one: (STRENGTH[one.namespace], one.value)))


def linked(decisions: Iterable[Decision], resolve: Mapping[UUID, UUID]) -> dict[UUID, list[Identity]]:
    """The identities that each surviving profile gained by these decisions."""
    gained: dict[UUID, list[Identity]] = {}
    for decision in decisions:
        if decision.kind == "link" and decision.identity is not None:
            profile_id = resolve.get(decision.profile_id, decision.profile_id)
            gained.setdefault(profile_id, []).append(decision.identity)
    return gained
