"""Which profile an event belongs to: a decision, taken once and written down with who made it.

Of trusted sources, identities that one event names together are one customer, unless that would join two user ids: only
an explicit merge does. Where no refusal bites, the profiles are the connected components of that relation, so the order
of events does not matter. Two whom a split parted are never joined again, whatever is stated. A public key links an
anonymous id that belongs to nobody, and claims nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from uuid import UUID

from services.profile.domain.contact import verified_contacts
from services.profile.domain.decision import RULE_VERSION, Decision, Provenance
from services.profile.domain.meeting import (
    ANOTHER_USER,
    CONTACTS,
    DEFAULT_LIMITS,
    PARTED,
    TWO_USERS,
    Known,
    Meeting,
    clash,
)
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.identity import Identity, Namespace, canonical_id, strength, user_ids_of

# What a browser says of a mail address or a phone number proves nothing: anyone can type one in.
PUBLIC_LINKS: Final = frozenset({Namespace.USER_ID, Namespace.ANONYMOUS_ID})

PUBLIC_JOINS_NOBODY: Final = "a public key joins nobody whom a trusted source knows"


@dataclass(slots=True)
class Identities:
    """Who owns which identity, as far as a batch of events is concerned; `assign` changes it.

    `claims` are the owners of user ids that only public keys name. `fan_out` are the other customers who gave a value
    to a trusted source, and were refused: as many as its limit and one more are enough.
    """

    owners: dict[Identity, UUID]
    profiles: dict[UUID, Known]
    claims: dict[Identity, UUID] = field(default_factory=dict)
    limits: Mapping[Namespace, int] = field(default_factory=lambda: DEFAULT_LIMITS)
    decisions: list[Decision] = field(default_factory=list)
    fan_out: dict[Identity, set[UUID]] = field(default_factory=dict)
    _gone: dict[UUID, UUID] = field(default_factory=dict)

    def rename(self, canonical: Mapping[UUID, UUID]) -> None:
        """Takes note of merges that came before this batch."""
        self._gone.update(canonical)

    def resolve(self, profile_id: UUID) -> UUID:
        """Returns the profile that stands for this one after the merges of this batch."""
        return canonical_id(self._gone, profile_id)

    def assign(self, event: Event) -> UUID | None:
        """Returns the profile that this event belongs to, made or merged if need be; None if it names nobody."""
        if event.profile_id is not None and event.source_kind is SourceKind.SERVICE:
            profile_id = self.resolve(event.profile_id)
            if profile_id not in self.profiles:
                return None
            self._seen(profile_id, event)
            return profile_id
        named = linking(event)
        if not named:
            return None
        if event.source_kind is SourceKind.PUBLIC:
            return self._assign_public(event, named)
        return self._assign_trusted(event, named)

    def _assign_trusted(self, event: Event, named: tuple[Identity, ...]) -> UUID:
        """Joins whom the event names, as far as nothing speaks against it; it goes to the strongest identity."""
        known = self._owner(named[0])
        if known is not None and all(self._settled(known, identity) for identity in named):
            self._seen(known, event)
            return known
        meeting = Meeting(self.profiles, self.limits, self.fan_out)
        former: list[Identity] = []
        refused: list[tuple[Identity, UUID | None, str]] = []
        for identity in named:
            owner = self._owner(identity)
            if owner in meeting.profiles:
                continue
            if owner is None and identity not in event.identities:
                former.append(identity)
            elif reason := self._objection(event, meeting, identity, owner):
                refused.append((identity, owner, reason))
            elif owner is None:
                meeting.add(identity)
            else:
                meeting.join(owner, identity)
        vouches = self._vouches(meeting, named)
        survivor = self._unite(event, meeting, named)
        self._link_trusted(event, survivor, meeting, vouches=vouches)
        for identity in former:
            self.owners[identity] = survivor
            self._decide("alias", survivor, event, identity=identity)
        for identity, owner, reason in refused:
            self._decide("refuse", survivor, event, identity=identity, other_id=owner, reason=reason)
            self.fan_out.setdefault(identity, set()).add(survivor)
        return survivor

    def _settled(self, profile_id: UUID, identity: Identity) -> bool:
        """Whether a trusted source has linked the identity to this profile: then there is nothing to decide."""
        if self._owner(identity) != profile_id:
            return False
        known = self.profiles[profile_id]
        if identity.namespace.kind is Namespace.USER_ID:
            return identity in known.users
        return identity.namespace in CONTACTS or identity.value in known.vouched

    def _objection(self, event: Event, meeting: Meeting, identity: Identity, owner: UUID | None) -> str:
        if owner is not None and meeting.apart(owner):
            return PARTED
        if identity.namespace.kind is Namespace.USER_ID:
            others = {identity} if owner is None else self.profiles[owner].users | {identity}
            return TWO_USERS if clash(meeting.users, others) and not event.merges else ""
        if owner is None:
            return meeting.objection_to_fresh(identity)
        return meeting.objection_to_profile(owner, identity)

    def _unite(self, event: Event, meeting: Meeting, named: Iterable[Identity]) -> UUID:
        """The profile that stands for all who met.

        One that was nothing but a browser's never comes to stand for a customer: others may have its id.
        """
        survivor = self._eldest(one for one in meeting.profiles if self.profiles[one].named)
        if survivor is None and not _names_somebody(named):
            survivor = self._eldest(meeting.profiles)
        if survivor is None:
            survivor = self._create(event)
        for profile_id in sorted(set(meeting.profiles) - {survivor}):
            self._merge(event, survivor, profile_id)
        return survivor

    def _link_trusted(self, event: Event, survivor: UUID, meeting: Meeting, *, vouches: bool) -> None:
        self._seen(survivor, event)
        known = self.profiles[survivor]
        here = [one for one in event.identities if one not in meeting.fresh and self._owner(one) == survivor]
        for identity in meeting.fresh:
            self._link(event, survivor, identity, _provenance(event, identity) if vouches else Provenance.PUBLIC)
        for identity in sorted(here) if vouches else ():
            unproven_device = identity.namespace is Namespace.ANONYMOUS_ID and identity.value not in known.vouched
            unproven_user = identity.namespace.kind is Namespace.USER_ID and identity not in known.users
            if unproven_device or unproven_user:
                self._link(event, survivor, identity, _provenance(event, identity))

    def _vouches(self, meeting: Meeting, named: Iterable[Identity]) -> bool:
        """Whether the event says of the anonymous ids in it whose they are.

        One that names nothing else does not, where only a public key says whose they are.
        """
        devices = {one.value for one in named if one.namespace is Namespace.ANONYMOUS_ID}
        profiles = [self.profiles[one] for one in meeting.profiles]
        return _names_somebody(named) or all(
            devices & one.vouched if one.owned else one.devices <= devices and not one.claimed for one in profiles
        )

    def _assign_public(self, event: Event, named: tuple[Identity, ...]) -> UUID:
        """A user goes by the user id; nobody who has a user id, a mail address or a phone number is joined.

        A user id that no trusted source knows is kept apart from that which one will name: whoever claims it first must
        not become its owner.
        """
        user = next((one for one in named if one.namespace.kind is Namespace.USER_ID), None)
        devices = [one for one in named if one.namespace is Namespace.ANONYMOUS_ID]
        found = self._owner(user) if user else None
        claim = user if user is not None and found is None else None
        if claim is not None and claim in self.claims:
            found = self.resolve(self.claims[claim])
        refused: list[tuple[Identity, UUID]] = []
        for device in devices:
            owner = self._owner(device)
            if owner is None or owner == found:
                continue
            if found is None and (user is None or self._open_to(owner, user)):
                found = owner
            elif found is not None and self._may_join(found, owner, user):
                found = self._join_public(event, found, owner)
            else:
                refused.append((device, owner))
        profile_id = self._create(event) if found is None else found
        self._seen(profile_id, event)
        for device in devices:
            if device not in self.owners:
                self._link(event, profile_id, device, Provenance.PUBLIC)
        if claim is not None and claim not in self.claims:
            self._link(event, profile_id, claim, Provenance.PUBLIC, claimed=True)
        for device, owner in refused:
            reason = self._objection_to_public(profile_id, owner)
            self._decide("refuse", profile_id, event, identity=device, other_id=owner, reason=reason)
        return profile_id

    def _may_join(self, one: UUID, other: UUID, user: Identity | None) -> bool:
        """Whether a public key may join two profiles, for a user or for nobody."""
        parted = self.profiles[one].apart(self.profiles[other])
        return not parted and self._open_to(one, user) and self._open_to(other, user)

    def _objection_to_public(self, one: UUID, other: UUID) -> str:
        if self.profiles[one].apart(self.profiles[other]):
            return PARTED
        return PUBLIC_JOINS_NOBODY if self.profiles[other].owned or self.profiles[one].owned else ANOTHER_USER

    def _open_to(self, profile_id: UUID, user: Identity | None) -> bool:
        """Whether a public key may link this profile to a user whom nobody knows: it belongs to nobody else."""
        known = self.profiles[profile_id]
        return not known.owned and known.claimed <= ({user} if user else set())

    def _join_public(self, event: Event, one: UUID, other: UUID) -> UUID:
        both = {one, other}
        survivor = self._eldest(both)
        assert survivor is not None
        (loser,) = both - {survivor}
        self._merge(event, survivor, loser)
        return survivor

    def _owner(self, identity: Identity) -> UUID | None:
        owner = self.owners.get(identity)
        return None if owner is None else self.resolve(owner)

    def _eldest(self, profile_ids: Iterable[UUID]) -> UUID | None:
        return min(profile_ids, key=lambda one: (self.profiles[one].first_seen, one), default=None)

    def _create(self, event: Event) -> UUID:
        profile_id = derived_id(event.event_id, "profile", "identity", RULE_VERSION)
        self.profiles[profile_id] = Known(event.occurred_at)
        self._decide("create", profile_id, event)
        return profile_id

    def _merge(self, event: Event, survivor: UUID, loser: UUID) -> None:
        gone = self.profiles.pop(loser)
        self._gone[loser] = survivor
        self.profiles[survivor].absorb(gone)
        verified = gone.named and event.source_kind is not SourceKind.PUBLIC
        self._decide("merge", survivor, event, other_id=loser, verified=verified)

    def _link(
        self, event: Event, profile_id: UUID, identity: Identity, provenance: Provenance, *, claimed: bool = False
    ) -> None:
        known = self.profiles[profile_id]
        (self.claims if claimed else self.owners)[identity] = profile_id
        if identity.namespace.kind is Namespace.USER_ID:
            (known.claimed if claimed else known.users).add(identity)
        elif identity.namespace in CONTACTS:
            known.contacts.add(identity)
        else:
            known.devices.add(identity.value)
            if provenance is not Provenance.PUBLIC:
                known.vouched.add(identity.value)
        self.decisions.append(
            Decision("link", profile_id, event.event_id, provenance, identity=identity, claimed=claimed)
        )

    def _decide(
        self,
        kind: Literal["create", "alias", "merge", "refuse"],
        profile_id: UUID,
        event: Event,
        *,
        other_id: UUID | None = None,
        identity: Identity | None = None,
        verified: bool = False,
        reason: str = "",
    ) -> None:
        self.decisions.append(
            Decision(
                kind,
                profile_id,
                event.event_id,
                Provenance(event.source_kind.value),
                other_id=other_id,
                identity=identity,
                verified=verified,
                reason=reason,
            )
        )

    def _seen(self, profile_id: UUID, event: Event) -> None:
        known = self.profiles[profile_id]
        known.first_seen = min(known.first_seen, event.occurred_at)


def linking(event: Event) -> tuple[Identity, ...]:
    """Returns the identities by which this event may find, link and merge profiles, strongest first.

    Of an explicit merge by a trusted source an anonymous id may be a former user id, too.
    """
    if event.profile_id is not None and event.source_kind is SourceKind.SERVICE:
        return ()
    trusted = event.source_kind is not SourceKind.PUBLIC
    named = {one for one in event.identities if trusted or one.namespace.kind in PUBLIC_LINKS}
    if trusted and event.merges:
        former = user_ids_of(event.space)
        named |= {Identity(former, one.value) for one in named if one.namespace is Namespace.ANONYMOUS_ID}
    return tuple(sorted(named, key=strength))


def claiming(event: Event) -> tuple[Identity, ...]:
    """Returns the user ids that this event may only claim, because a public key names them."""
    if event.source_kind is not SourceKind.PUBLIC:
        return ()
    return tuple(one for one in event.identities if one.namespace.kind is Namespace.USER_ID)


def _names_somebody(named: Iterable[Identity]) -> bool:
    return any(one.namespace is not Namespace.ANONYMOUS_ID for one in named)


def _provenance(event: Event, identity: Identity) -> Provenance:
    if identity.namespace in verified_contacts(event):
        return Provenance.VERIFIED
    return Provenance(event.source_kind.value)
