"""Which profile an event belongs to: connected components, and no user lost to another by a browser's word."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.profile.domain.identity import Decision, Identities, linked, linking
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import PageViewed
from shared.contracts.identity import Identity, Namespace
from tests.support.events import NOON, days, event, user
from tests.support.examples import at_least
from tests.unit.contracts.strategies import few_moments

Key = TypeVar("Key", bound=Hashable)

pool = [Identity(namespace, value) for namespace in Namespace for value in ("1", "2", "3")]
sets_of_identities = st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True)


@dataclass
class Components:
    """Union-find, written apart from the code under test."""

    parent: dict[Any, Any] = field(default_factory=dict)

    def root(self, one: Any) -> Any:
        self.parent.setdefault(one, one)
        while self.parent[one] != one:
            one = self.parent[one]
        return one

    def join(self, some: Iterable[Any]) -> None:
        first, *others = some
        for other in others:
            self.parent[self.root(other)] = self.root(first)
        self.root(first)

    def sets(self) -> set[frozenset[Any]]:
        return sets((one, self.root(one)) for one in self.parent)


def sets(pairs: Iterable[tuple[Key, Hashable]]) -> set[frozenset[Key]]:
    """Those with an equal second part, together."""
    groups: dict[Hashable, set[Key]] = {}
    for one, group in pairs:
        groups.setdefault(group, set()).add(one)
    return {frozenset(group) for group in groups.values()}


def seen(*named: Identity, at: datetime = NOON, **changes: Any) -> Event:
    """A page view by whoever these are."""
    return event(PageViewed(path="/"), *named, at=at, **changes)


def anonymous(value: str) -> Identity:
    return Identity(Namespace.ANONYMOUS_ID, value)


def browser(*named: Identity, **changes: Any) -> Event:
    """A page view that a public key sent."""
    return seen(*named, source_kind=SourceKind.PUBLIC, **changes)


def taken(*events: Event) -> Identities:
    """Everybody after these events."""
    everybody = Identities({}, {})
    for one in events:
        everybody.assign(one)
    return everybody


def partition(everybody: Identities) -> set[frozenset[Identity]]:
    """The identities of each profile."""
    return sets((identity, everybody.resolve(owner)) for identity, owner in everybody.owners.items())


def owner(everybody: Identities, identity: Identity) -> UUID:
    return everybody.resolve(everybody.owners[identity])


trusted_events = st.lists(
    st.builds(
        lambda named, at, kind, event_id: seen(*named, at=at, source_kind=kind, event_id=event_id),
        sets_of_identities,
        few_moments,
        st.sampled_from([SourceKind.SERVER, SourceKind.SERVICE]),
        st.uuids(),
    ),
    max_size=10,
    unique_by=lambda one: one.event_id,
)


@given(trusted_events, st.data())
def test_of_trusted_sources_profiles_are_the_connected_components_whatever_the_order(
    events: list[Event], data: st.DataObject
) -> None:
    components = Components()
    for one in events:
        components.join(one.identities)

    assert partition(taken(*data.draw(st.permutations(events)))) == components.sets()


@given(trusted_events)
def test_every_event_ends_in_the_profile_of_each_identity_that_it_names(events: list[Event]) -> None:
    everybody = Identities({}, {})
    given_to = [(one, everybody.assign(one)) for one in events]

    for one, profile_id in given_to:
        assert profile_id is not None
        assert {owner(everybody, identity) for identity in one.identities} == {everybody.resolve(profile_id)}


@given(trusted_events, trusted_events)
def test_the_survivor_of_a_merge_is_the_least_by_first_seen_and_id(before: list[Event], then: list[Event]) -> None:
    everybody = taken(*before)
    for one in then:
        standing = {profile_id: known.first_seen for profile_id, known in everybody.profiles.items()}
        meeting = {owner(everybody, identity) for identity in one.identities if identity in everybody.owners}
        survivor = everybody.assign(one)
        if meeting:
            assert survivor == min(meeting, key=lambda profile_id: (standing[profile_id], profile_id))
            assert meeting - {survivor} == standing.keys() - everybody.profiles.keys()


@given(trusted_events)
def test_first_seen_of_a_profile_is_that_of_its_first_event(events: list[Event]) -> None:
    everybody = Identities({}, {})
    given_to = [(one, everybody.assign(one)) for one in events]

    for profile_id, known in everybody.profiles.items():
        own = [one.occurred_at for one, first in given_to if first and everybody.resolve(first) == profile_id]
        assert known.first_seen == min(own)


def test_a_login_joins_what_the_device_did_before() -> None:
    everybody = taken(browser(anonymous("a")), browser(anonymous("a"), user(1)))

    assert partition(everybody) == {frozenset({anonymous("a"), user(1)})}


def test_a_second_user_on_one_device_is_a_second_customer_and_the_refusal_is_written_down() -> None:
    everybody = taken(browser(anonymous("a"), user(1)), browser(anonymous("a"), user(2)))

    assert owner(everybody, user(1)) != owner(everybody, user(2))
    assert owner(everybody, anonymous("a")) == owner(everybody, user(1))
    assert [one.kind for one in everybody.decisions][-3:] == ["create", "refuse", "link"]


def test_a_public_key_never_merges_two_profiles_that_each_have_a_user() -> None:
    everybody = taken(
        browser(anonymous("a"), user(1)), browser(anonymous("b"), user(2)), browser(anonymous("a"), user(2))
    )

    assert len(everybody.profiles) == 2
    assert everybody.decisions[-1].kind == "refuse"


@pytest.mark.parametrize(("known", "new"), [(1, 2), (2, 1)])
def test_a_public_key_gives_no_new_user_to_a_profile_that_has_one(known: int, new: int) -> None:
    everybody = taken(seen(user(known)), browser(user(known), user(new)), seen(user(new)))

    assert owner(everybody, user(known)) != owner(everybody, user(new))


def test_a_public_key_makes_no_one_customer_of_two_new_users() -> None:
    everybody = taken(browser(user(1), user(2)), seen(user(1)), seen(user(2)))

    assert owner(everybody, user(1)) != owner(everybody, user(2))


@pytest.mark.parametrize("contact", [Identity(Namespace.EMAIL, "ann@example.com"), Identity(Namespace.PHONE, "+4912")])
def test_a_mail_address_or_phone_number_from_a_public_key_links_nothing(contact: Identity) -> None:
    stranger = browser(anonymous("a"), contact)
    everybody = taken(seen(user(1), contact), stranger)

    assert linking(stranger) == (anonymous("a"),)
    assert owner(everybody, contact) == owner(everybody, user(1))
    assert owner(everybody, anonymous("a")) != owner(everybody, contact)
    assert contact not in taken(stranger).owners


def test_an_event_that_names_nobody_belongs_to_nobody() -> None:
    assert Identities({}, {}).assign(seen()) is None
    assert Identities({}, {}).assign(browser(Identity(Namespace.EMAIL, "ann@example.com"))) is None


def test_a_service_names_a_profile_and_a_merged_id_means_its_survivor() -> None:
    everybody = taken(seen(user(1), at=NOON), seen(user(2), at=NOON + days(1)))
    first, second = owner(everybody, user(1)), owner(everybody, user(2))
    everybody.assign(seen(user(1), user(2)))

    fact = event(PageViewed(), source_kind=SourceKind.SERVICE, profile_id=second)
    assert everybody.assign(fact) == first
    assert linking(fact) == ()


def test_a_service_that_names_no_profile_is_believed_in_nothing() -> None:
    fact = event(PageViewed(), user(1), source_kind=SourceKind.SERVICE, profile_id=UUID(int=404))

    assert Identities({}, {}).assign(fact) is None


def test_a_profile_id_is_trusted_from_services_only() -> None:
    everybody = taken(seen(user(1)))
    said = event(PageViewed(), user(2), source_kind=SourceKind.SERVER, profile_id=owner(everybody, user(1)))

    assert everybody.assign(said) != owner(everybody, user(1))


def test_the_same_creating_event_makes_the_same_profile_id_again() -> None:
    first = seen(user(1))

    assert taken(first).profiles.keys() == taken(first).profiles.keys()


def test_merges_of_before_are_followed() -> None:
    gone, kept = UUID(int=1), UUID(int=2)
    everybody = taken(seen(user(1)))
    root = owner(everybody, user(1))
    everybody.rename({gone: kept, kept: root})

    assert everybody.resolve(gone) == root


def test_identities_gained_go_to_the_profile_that_survives() -> None:
    everybody = taken(seen(user(1), at=NOON), seen(user(2), at=NOON + days(1)), seen(user(1), user(2)))
    gained = linked(
        everybody.decisions, {one.profile_id: everybody.resolve(one.profile_id) for one in everybody.decisions}
    )

    assert gained == {owner(everybody, user(1)): [user(1), user(2)]}


def replayed(decisions: Sequence[Decision]) -> set[frozenset[Identity]]:
    """The partition that the log tells, by an independent reading of it."""
    owners: dict[Identity, UUID] = {}
    for one in decisions:
        if one.kind == "link":
            assert one.identity is not None
            assert one.identity not in owners
            owners[one.identity] = one.profile_id
        elif one.kind == "merge":
            owners = {who: one.profile_id if owns == one.other_id else owns for who, owns in owners.items()}
    return sets(owners.items())


class IdentityMachine(RuleBasedStateMachine):
    """Events arrive from browsers, servers and services."""

    @initialize()
    def begin(self) -> None:
        self.everybody = Identities({}, {})
        self.refused: list[tuple[UUID, UUID]] = []
        self.arrived = 0

    def arrive(self, kind: SourceKind, named: Sequence[Identity], hours: int, **changes: Any) -> UUID | None:
        self.arrived += 1
        said = seen(
            *named,
            at=NOON + timedelta(hours=hours),
            source_kind=kind,
            event_id=UUID(int=self.arrived),
            **changes,
        )
        return self.everybody.assign(said)

    @rule(named=sets_of_identities, hours=st.integers(0, 9))
    def server(self, named: list[Identity], hours: int) -> None:
        assert self.arrive(SourceKind.SERVER, named, hours) is not None
        assert len({owner(self.everybody, one) for one in named}) == 1
        self.refused = [
            (one, other) for one, other in self.refused if self.everybody.resolve(one) != self.everybody.resolve(other)
        ]  # a trusted source may join what a browser may not

    @rule(
        users=st.lists(st.sampled_from([one for one in pool if one.namespace is Namespace.USER_ID]), max_size=1),
        device=st.sampled_from([one for one in pool if one.namespace is Namespace.ANONYMOUS_ID]),
        typed=st.lists(st.sampled_from([one for one in pool if one.namespace is Namespace.EMAIL]), max_size=1),
        hours=st.integers(0, 9),
    )
    def public(self, users: list[Identity], device: Identity, typed: list[Identity], hours: int) -> None:
        mails = {one: who for one, who in self.everybody.owners.items() if one.namespace is Namespace.EMAIL}
        together = self.users_together()
        decided = len(self.everybody.decisions)

        profile_id = self.arrive(SourceKind.PUBLIC, [*users, device, *typed], hours)

        assert profile_id is not None
        for one in users:
            assert owner(self.everybody, one) == self.everybody.resolve(profile_id)
        assert {pair for pair in self.users_together() if pair not in together} == set()
        assert mails == {one: who for one, who in self.everybody.owners.items() if one.namespace is Namespace.EMAIL}
        for decision in self.everybody.decisions[decided:]:
            if decision.kind == "refuse":
                assert decision.other_id is not None
                self.refused.append((decision.profile_id, decision.other_id))

    @rule(choice=st.integers(0, 99), hours=st.integers(0, 9))
    def service(self, choice: int, hours: int) -> None:
        made = [one.profile_id for one in self.everybody.decisions if one.kind == "create"]
        if made:
            named = made[choice % len(made)]
            found = self.arrive(SourceKind.SERVICE, (), hours, profile_id=named)
            assert found == self.everybody.resolve(named)

    def users_together(self) -> set[frozenset[Identity]]:
        """Pairs of users that are one customer."""
        users = [one for one in self.everybody.owners if one.namespace is Namespace.USER_ID]
        return {
            frozenset({one, other})
            for one in users
            for other in users
            if one != other and owner(self.everybody, one) == owner(self.everybody, other)
        }

    @invariant()
    def every_identity_has_one_owner_that_stands(self) -> None:
        for identity in self.everybody.owners:
            assert owner(self.everybody, identity) in self.everybody.profiles

    @invariant()
    def the_log_replayed_gives_the_same_partition(self) -> None:
        assert replayed(self.everybody.decisions) == partition(self.everybody)

    @invariant()
    def who_has_a_user_is_known(self) -> None:
        with_user = {owner(self.everybody, one) for one in self.everybody.owners if one.namespace is Namespace.USER_ID}
        assert with_user == {who for who, known in self.everybody.profiles.items() if known.has_user}

    @invariant()
    def refused_merges_stay_apart(self) -> None:
        for one, other in self.refused:
            assert self.everybody.resolve(one) != self.everybody.resolve(other)


TestIdentityMachine = IdentityMachine.TestCase
TestIdentityMachine.settings = settings(max_examples=at_least(60), stateful_step_count=25)
