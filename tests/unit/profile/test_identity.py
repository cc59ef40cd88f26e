"""Which profile an event belongs to: connected components, and nobody lost to another by a browser's word."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.profile.domain import fold
from services.profile.domain.decision import Decision, Provenance, linked
from services.profile.domain.fold import CLAIMED_USER_ID, LinkedIdentity, ProfileState
from services.profile.domain.identity import Identities, linking
from services.profile.domain.meeting import SHARED, TOO_MANY, Known
from services.profile.domain.record import folded
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, CustomerIdentified, CustomEvent, PageViewed
from shared.contracts.identity import Identity, Namespace, user_ids_of
from tests.support.events import NOON, days, event, user
from tests.support.examples import at_least
from tests.unit.contracts.strategies import few_moments

Key = TypeVar("Key", bound=Hashable)

SHOP = user_ids_of("shop-a")  # a shop that numbers its customers from 1, too
pool = [Identity(namespace, value) for namespace in (*Namespace, SHOP) for value in ("1", "2", "3")]
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


PAGE = PageViewed(path="/")


def seen(*named: Identity, at: datetime = NOON, body: Body = PAGE, **changes: Any) -> Event:
    """A page view by whoever these are, or what else they did."""
    return event(body, *named, at=at, **changes)


def anonymous(value: str) -> Identity:
    return Identity(Namespace.ANONYMOUS_ID, value)


def browser(*named: Identity, **changes: Any) -> Event:
    """A page view that a public key sent."""
    return seen(*named, source_kind=SourceKind.PUBLIC, **changes)


def mail(value: str = "ann@example.com") -> Identity:
    return Identity(Namespace.EMAIL, value)


def merged(new: Identity, old: Identity, **changes: Any) -> Event:
    """An explicit merge, as `alias` of the tracking API makes it: of what was an anonymous id, or a user id."""
    former = anonymous(old.value)
    return event(CustomEvent(name="Alias"), new, former, merges=True, **{"at": NOON, **changes})


def taken(*events: Event, limits: Mapping[Namespace, int] | None = None) -> Identities:
    """Everybody after these events."""
    everybody = Identities({}, {}) if limits is None else Identities({}, {}, limits=limits)
    for one in events:
        everybody.assign(one)
    return everybody


def partition(everybody: Identities) -> set[frozenset[Identity]]:
    """The identities of each profile."""
    return sets((identity, everybody.resolve(owner)) for identity, owner in everybody.owners.items())


def owner(everybody: Identities, identity: Identity) -> UUID:
    return everybody.resolve(everybody.owners[identity])


users = [one for one in pool if one.namespace is Namespace.USER_ID]
devices = [one for one in pool if one.namespace is Namespace.ANONYMOUS_ID]
contacts = [one for one in pool if one.namespace in (Namespace.EMAIL, Namespace.PHONE)]

trusted_kinds = st.sampled_from([SourceKind.SERVER, SourceKind.SERVICE])
told = st.builds(
    lambda named, at, kind, event_id: seen(*named, at=at, source_kind=kind, event_id=event_id),
    sets_of_identities,
    few_moments,
    trusted_kinds,
    st.uuids(),
)
joined = st.builds(
    lambda pair, at, event_id: merged(*pair, at=at, event_id=event_id),
    st.permutations(users).map(lambda some: some[:2]),
    few_moments,
    st.uuids(),
)
viewed = st.builds(
    lambda device, at, event_id: browser(device, at=at, event_id=event_id),
    st.sampled_from(devices),
    few_moments,
    st.uuids(),
)
# Browsers that name nobody, servers that say who is who, and explicit merges: no public key claims anything here.
events_without_claims = st.lists(st.one_of(told, told, viewed, joined), max_size=10, unique_by=lambda one: one.event_id)


def merged_users(events: Iterable[Event]) -> Components:
    """User ids, as far as explicit merges join them."""
    found = Components()
    for one in events:
        if one.merges:
            found.join({user(identity.value) for identity in one.identities})
    return found


@given(events_without_claims, st.data())
def test_where_no_two_users_meet_profiles_are_the_connected_components_whatever_the_order(
    events: list[Event], data: st.DataObject
) -> None:
    components, explicit = Components(), merged_users(events)
    for one in events:
        components.join([*one.identities, *(user(old.value) for old in one.identities if one.merges)])

    found = partition(taken(*data.draw(st.permutations(events)), limits={}))

    for component in components.sets():
        if at_most_one_user_a_space(component, explicit):
            assert component in found
    # Where two users do meet, a profile holds those of one person, and nobody from elsewhere.
    for profile in found:
        assert len({components.root(one) for one in profile}) == 1
        assert no_users_but_merged_ones(profile, explicit)


def no_users_but_merged_ones(profile: Iterable[Identity], explicit: Components) -> bool:
    """Whether these are one person's: whoever joins two users of one space joins all that they are in another."""
    users = [one for one in profile if one.namespace.kind is Namespace.USER_ID]
    common = [one for one in users if one.namespace is Namespace.USER_ID]
    return at_most_one_user_a_space(common if len(common) > 1 else users, explicit)


def at_most_one_user_a_space(identities: Iterable[Identity], explicit: Components) -> bool:
    """Whether these have at most one person of each space."""
    found = {(one.namespace, explicit.root(one)) for one in identities if one.namespace.kind is Namespace.USER_ID}
    return len(found) == len({namespace for namespace, _ in found})


def test_two_shops_that_count_from_one_have_two_customers() -> None:
    other = Identity(user_ids_of("shop-b"), "1")
    everybody = taken(seen(Identity(SHOP, "1"), mail("ann@example.com")), seen(other, mail("bob@example.com")))

    assert len(everybody.profiles) == 2


def test_a_customer_of_two_shops_with_one_mail_address_is_one() -> None:
    other = Identity(user_ids_of("shop-b"), "8")
    everybody = taken(seen(Identity(SHOP, "1"), mail()), seen(other, mail()), seen(user("42"), mail()))

    assert len(everybody.profiles) == 1


def test_two_customers_of_one_shop_stay_two_whatever_they_share() -> None:
    everybody = taken(seen(Identity(SHOP, "1"), mail()), seen(Identity(SHOP, "2"), mail()))

    assert len(everybody.profiles) == 2


@given(events_without_claims)
def test_an_event_goes_to_the_strongest_identity_that_it_names(events: list[Event]) -> None:
    everybody = Identities({}, {})
    given_to = [(one, everybody.assign(one)) for one in events]

    for one, profile_id in given_to:
        assert profile_id is not None
        assert owner(everybody, linking(one)[0]) == everybody.resolve(profile_id)


@given(events_without_claims, events_without_claims)
def test_the_survivor_of_a_merge_is_the_least_by_first_seen_and_id_of_those_who_are_somebody(
    before: list[Event], then: list[Event]
) -> None:
    everybody = taken(*before)
    for one in then:
        standing = {profile_id: (known.first_seen, known.named) for profile_id, known in everybody.profiles.items()}
        survivor = everybody.assign(one)
        gone = standing.keys() - everybody.profiles.keys()
        met = gone | ({survivor} & standing.keys())
        somebody = [profile_id for profile_id in met if profile_id is not None and standing[profile_id][1]]
        if gone and somebody:
            assert survivor == min(somebody, key=lambda profile_id: (standing[profile_id][0], profile_id))


@given(events_without_claims)
def test_first_seen_of_a_profile_is_that_of_its_first_event(events: list[Event]) -> None:
    everybody = Identities({}, {})
    given_to = [(one, everybody.assign(one)) for one in events]

    for profile_id, known in everybody.profiles.items():
        own = [one.occurred_at for one, first in given_to if first and everybody.resolve(first) == profile_id]
        assert known.first_seen == min(own)


def test_what_a_device_did_before_a_login_is_joined_once_a_server_says_who_it_was() -> None:
    everybody = taken(browser(anonymous("a")), browser(anonymous("a"), user(1)), seen(anonymous("a"), user(1)))

    assert partition(everybody) == {frozenset({anonymous("a"), user(1)})}
    assert len(everybody.profiles) == 1


def test_a_profile_that_was_nothing_but_a_browser_s_does_not_come_to_stand_for_a_customer() -> None:
    everybody = taken(browser(anonymous("a")))
    visitor = owner(everybody, anonymous("a"))
    everybody.assign(seen(anonymous("a"), user(1), at=NOON + days(1)))

    assert owner(everybody, user(1)) == everybody.resolve(visitor) != visitor
    (merge,) = [one for one in everybody.decisions if one.kind == "merge"]
    assert (merge.other_id, merge.verified) == (visitor, False)


def test_a_user_whom_nobody_knows_is_claimed_by_a_browser_and_stays_apart_from_the_one_that_a_server_names() -> None:
    everybody = taken(browser(anonymous("a"), user(1)), browser(anonymous("b"), user(1)))
    assert everybody.owners.keys() == {anonymous("a"), anonymous("b")}
    assert len(everybody.profiles) == 1

    everybody.assign(seen(user(1), mail()))
    assert owner(everybody, user(1)) != owner(everybody, anonymous("a"))
    assert everybody.assign(browser(anonymous("a"), user(1))) == owner(everybody, user(1))


def test_a_second_user_on_one_device_is_a_second_customer_and_the_refusal_is_written_down() -> None:
    for kind in (SourceKind.PUBLIC, SourceKind.SERVER):
        first, second = (seen(anonymous("a"), user(n), source_kind=kind) for n in (1, 2))
        everybody = taken(first, second)

        assert len(everybody.profiles) == 2
        assert owner(everybody, anonymous("a")) == everybody.assign(first) != everybody.assign(second)
        refusal = next(one for one in everybody.decisions if one.kind == "refuse")
        assert (refusal.event_id, refusal.identity, refusal.provenance.value) == (
            second.event_id,
            anonymous("a"),
            kind.value,
        )


def test_a_public_key_moves_no_device_from_somebody_to_somebody() -> None:
    everybody = taken(seen(anonymous("a"), user(1)), seen(anonymous("b"), user(2)), browser(anonymous("a"), user(2)))

    assert len(everybody.profiles) == 2
    assert owner(everybody, anonymous("a")) == owner(everybody, user(1))
    assert everybody.decisions[-1].kind == "refuse"


@pytest.mark.parametrize("known", [(user(1),), (mail(),), (Identity(Namespace.PHONE, "+4912"),), ()])
def test_a_public_key_claims_no_user_for_whom_a_trusted_source_knows(known: tuple[Identity, ...]) -> None:
    everybody = taken(seen(anonymous("a"), *known), browser(anonymous("a"), user(2)))

    assert len(everybody.profiles) == 2
    assert not everybody.profiles[owner(everybody, anonymous("a"))].claimed


def test_a_public_key_makes_no_one_customer_of_two_new_users() -> None:
    everybody = taken(browser(user(1), user(2)), seen(user(1)), seen(user(2)))

    assert owner(everybody, user(1)) != owner(everybody, user(2))


@pytest.mark.parametrize("told_of", [(user(2),), (mail(),), (user(2), mail())])
def test_a_server_brings_nobody_to_a_customer_through_the_link_of_a_browser(told_of: tuple[Identity, ...]) -> None:
    everybody = taken(seen(user(1)), browser(anonymous("a"), user(1)), seen(anonymous("a"), *told_of))

    assert owner(everybody, anonymous("a")) == owner(everybody, user(1))
    assert {owner(everybody, one) for one in told_of} & {owner(everybody, user(1))} == set()


def test_a_device_that_a_browser_linked_is_vouched_for_when_a_server_names_it_with_its_user() -> None:
    everybody = taken(seen(user(1)), browser(anonymous("a"), user(1)), seen(anonymous("a")))
    assert everybody.profiles[owner(everybody, user(1))].vouched == set()

    everybody.assign(seen(anonymous("a"), user(1)))
    everybody.assign(seen(anonymous("a"), mail()))
    assert everybody.profiles[owner(everybody, user(1))].vouched == {"a"}
    assert owner(everybody, mail()) == owner(everybody, user(1))


@pytest.mark.parametrize("contact", [Identity(Namespace.EMAIL, "ann@example.com"), Identity(Namespace.PHONE, "+4912")])
def test_a_mail_address_or_phone_number_from_a_public_key_links_nothing(contact: Identity) -> None:
    stranger = browser(anonymous("a"), contact)
    everybody = taken(seen(user(1), contact), stranger)

    assert linking(stranger) == (anonymous("a"),)
    assert owner(everybody, contact) == owner(everybody, user(1))
    assert owner(everybody, anonymous("a")) != owner(everybody, contact)
    assert contact not in taken(stranger).owners


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1), (1, 2, 0)])
def test_an_alias_joins_two_users_before_or_after_they_are_known(order: tuple[int, ...]) -> None:
    events = [seen(user("old"), mail()), seen(user("new")), merged(user("new"), user("old"))]
    everybody = taken(*(events[place] for place in order))

    assert len(everybody.profiles) == 1
    assert owner(everybody, user("old")) == owner(everybody, user("new")) == owner(everybody, mail())


def test_an_alias_by_a_public_key_joins_no_users() -> None:
    everybody = taken(
        seen(user("old")), seen(user("new")), merged(user("new"), user("old"), source_kind=SourceKind.PUBLIC)
    )

    assert owner(everybody, user("old")) != owner(everybody, user("new"))


def test_a_former_user_id_is_shown_once_an_event_names_it() -> None:
    everybody = taken(merged(user("new"), user("old")))
    (known,) = everybody.profiles.values()
    assert known.users == {user("new")}

    everybody.assign(seen(user("old")))
    assert known.users == {user("new"), user("old")}


def test_behind_a_value_with_too_many_addresses_stand_strangers() -> None:
    till = Identity(Namespace.PHONE, "+4912")
    customers = [mail(f"{number}@example.com") for number in range(30)]
    everybody = taken(*(seen(one, till) for one in customers), limits={Namespace.PHONE: 3})

    sizes = sorted(len(profile) for profile in partition(everybody))
    assert sizes == [1] * 27 + [4]
    assert {one.identity for one in everybody.decisions if one.kind == "refuse"} == {till}


def phone(value: str = "+4912") -> Identity:
    return Identity(Namespace.PHONE, value)


def test_a_family_that_gives_one_phone_number_is_as_many_customers_as_accounts() -> None:
    family = [(user(name), mail(f"{name}@example.com")) for name in ("mum", "son", "aunt")]
    everybody = taken(*(seen(*one, phone()) for one in family))

    assert partition(everybody) == {frozenset((*family[0], phone())), *(frozenset(one) for one in family[1:])}


def test_two_users_of_one_browser_are_two_customers_though_a_server_says_so() -> None:
    cookie = anonymous("cookie")
    everybody = taken(seen(user("ann"), cookie), seen(user("ben"), cookie))

    assert owner(everybody, user("ann")) != owner(everybody, user("ben"))
    assert owner(everybody, cookie) == owner(everybody, user("ann"))


def test_guests_who_give_the_number_of_somebody_with_many_addresses_are_not_that_somebody() -> None:
    till = phone()
    staff = [seen(user("staff"), till), *(seen(user("staff"), mail(f"{one}@shop.example")) for one in range(4))]
    everybody = taken(*staff, seen(mail("guest@example.com"), till), limits={Namespace.PHONE: 3})

    assert owner(everybody, mail("guest@example.com")) != owner(everybody, user("staff"))
    assert [(one.identity, one.reason) for one in everybody.decisions if one.kind == "refuse"] == [(till, TOO_MANY)]


def test_a_number_that_many_users_give_links_no_guest_to_the_first_of_them() -> None:
    till, limits = phone(), {Namespace.PHONE: 3}
    users_of_it = [seen(user(number), till) for number in range(9)]
    guest = seen(mail("guest@example.com"), till)

    few, many = (taken(*users_of_it[:count], guest, limits=limits) for count in (4, 5))
    assert owner(few, mail("guest@example.com")) == owner(few, user(0))
    assert owner(many, mail("guest@example.com")) != owner(many, user(0))
    assert many.decisions[-1].reason == SHARED


def test_what_comes_with_an_address_that_many_users_give_is_nobodys_of_them() -> None:
    info, limits = mail("info@example.com"), {Namespace.EMAIL: 2}
    everybody = taken(*(seen(user(number), info) for number in range(9)), seen(info, phone("+491")), limits=limits)

    assert phone("+491") not in everybody.owners
    assert everybody.decisions[-1].reason == SHARED


def test_a_user_may_have_more_addresses_than_the_limit() -> None:
    everybody = taken(
        *(seen(user(1), mail(f"{number}@example.com")) for number in range(9)),
        seen(mail("3@example.com"), anonymous("a")),
        limits=dict.fromkeys(Namespace, 3),
    )

    assert len(everybody.profiles) == 1


def test_a_link_says_who_made_it() -> None:
    verified = event(CustomerIdentified(traits={"email_verified": True}), user(1), mail())
    claimed = event(
        CustomerIdentified(traits={"email_verified": True}), user(2), anonymous("a"), source_kind=SourceKind.PUBLIC
    )
    answered = event(PageViewed(), user(3), source_kind=SourceKind.SERVICE)
    everybody = taken(verified, claimed, answered)

    assert [(one.name, one.provenance) for one in everybody.decisions if one.kind == "link"] == [
        (("user_id", "1"), Provenance.SERVER),
        (("email", "ann@example.com"), Provenance.VERIFIED),
        (("anonymous_id", "a"), Provenance.PUBLIC),
        ((CLAIMED_USER_ID, "2"), Provenance.PUBLIC),
        (("user_id", "3"), Provenance.SERVICE),
    ]


def test_an_event_that_names_nobody_belongs_to_nobody() -> None:
    assert Identities({}, {}).assign(seen()) is None
    assert Identities({}, {}).assign(browser(Identity(Namespace.EMAIL, "ann@example.com"))) is None


def test_a_service_names_a_profile_and_a_merged_id_means_its_survivor() -> None:
    everybody = taken(seen(user(1), at=NOON), seen(user(2), at=NOON + days(1)))
    first, second = owner(everybody, user(1)), owner(everybody, user(2))
    everybody.assign(merged(user(1), user(2)))

    fact = event(PageViewed(), source_kind=SourceKind.SERVICE, profile_id=second)
    assert everybody.assign(fact) == first
    assert linking(fact) == ()


def test_a_service_that_names_no_profile_is_believed_in_nothing() -> None:
    fact = event(PageViewed(), user(1), source_kind=SourceKind.SERVICE, profile_id=UUID(int=404))

    assert Identities({}, {}).assign(fact) is None


def test_a_profile_id_is_trusted_from_services_only() -> None:
    everybody = taken(seen(user(1)))
    arrived = event(PageViewed(), user(2), source_kind=SourceKind.SERVER, profile_id=owner(everybody, user(1)))

    assert everybody.assign(arrived) != owner(everybody, user(1))


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
    everybody = taken(seen(user(1), at=NOON), seen(user(2), at=NOON + days(1)), merged(user(1), user(2)))
    gained = linked(
        everybody.decisions, {one.profile_id: everybody.resolve(one.profile_id) for one in everybody.decisions}
    )

    assert gained == {
        owner(everybody, user(1)): [
            LinkedIdentity("user_id", "1", vouched=True),
            LinkedIdentity("user_id", "2", vouched=True),
            LinkedIdentity("anonymous_id", "2", vouched=True),
        ]
    }


def replayed(decisions: Sequence[Decision]) -> set[frozenset[Identity]]:
    """The partition that the log tells, by an independent reading of it."""
    owners: dict[Identity, UUID] = {}
    for one in decisions:
        if one.kind in ("link", "alias") and not one.claimed:
            assert one.identity is not None
            assert owners.get(one.identity, one.profile_id) == one.profile_id
            owners[one.identity] = one.profile_id
        elif one.kind == "merge":
            owners = {who: one.profile_id if owns == one.other_id else owns for who, owns in owners.items()}
    return sets(owners.items())


class IdentityMachine(RuleBasedStateMachine):
    """Events arrive from browsers, servers and services."""

    @initialize()
    def begin(self) -> None:
        self.everybody = Identities({}, {})
        self.explicit = Components()
        self.arrived = 0
        self.clock = NOON
        self.states: dict[UUID, ProfileState] = {}
        self.given: list[tuple[UUID, Event]] = []

    def arrive(self, kind: SourceKind, named: Sequence[Identity], hours: int, **changes: Any) -> UUID | None:
        """Events arrive as they are received; what they tell of may have happened long before."""
        self.arrived += 1
        at = NOON + timedelta(hours=hours)
        self.clock = max(self.clock, at) + timedelta(seconds=1)
        arrived = seen(
            *named,
            at=at,
            received_at=self.clock,
            source_kind=kind,
            event_id=UUID(int=self.arrived),
            **changes,
        )
        decided = len(self.everybody.decisions)
        profile_id = self.everybody.assign(arrived)
        if profile_id is not None:
            self.fold(arrived, profile_id, self.everybody.decisions[decided:])
        return profile_id

    def fold(self, arrived: Event, profile_id: UUID, decisions: Sequence[Decision]) -> None:
        """Follows the decisions as the service does, and sees that no merge made a yes of a no."""
        for one in decisions:
            if one.kind == "merge" and one.other_id in self.states:
                apart = [self.states.pop(one.other_id), self.states.get(one.profile_id, fold.EMPTY)]
                self.states[one.profile_id] = fold.merge(*apart)
                if any(fold.agreed(state).get("email") is False for state in apart):
                    assert fold.agreed(self.states[one.profile_id])["email"] is False
        for whose, gained in linked(decisions, {}).items():
            self.states[whose] = fold.with_identities(self.states.get(whose, fold.EMPTY), gained)
        self.states[profile_id] = fold.merge(self.states.get(profile_id, fold.EMPTY), fold.state_of(arrived))
        self.given.append((profile_id, arrived))

    @rule(named=sets_of_identities, hours=st.integers(0, 9), consent=st.none() | st.booleans())
    def server(self, named: list[Identity], hours: int, consent: bool | None) -> None:
        body = PageViewed() if consent is None else CustomerIdentified(consent={"email": consent})
        profile_id = self.arrive(SourceKind.SERVER, named, hours, body=body)
        assert owner(self.everybody, linking(seen(*named))[0]) == profile_id

    @rule(new=st.sampled_from(users), old=st.sampled_from(users), hours=st.integers(0, 9))
    def alias(self, new: Identity, old: Identity, hours: int) -> None:
        self.explicit.join([new, old])
        self.arrive(SourceKind.SERVER, [new, anonymous(old.value)], hours, merges=True)
        assert owner(self.everybody, new) == owner(self.everybody, old)

    @rule(
        named=st.lists(st.sampled_from(users), max_size=2, unique=True),
        on=st.lists(st.sampled_from(devices), max_size=2, unique=True),
        typed=st.lists(st.sampled_from(contacts), max_size=1),
        hours=st.integers(0, 9),
        merges=st.booleans(),
    )
    def public(
        self, named: list[Identity], on: list[Identity], typed: list[Identity], hours: int, *, merges: bool
    ) -> None:
        before = {one: owner(self.everybody, one) for one in self.everybody.owners}
        somebody = {one for one, known in self.everybody.profiles.items() if known.owned}

        profile_id = self.arrive(SourceKind.PUBLIC, [*named, *on, *typed], hours, merges=merges)

        assert (profile_id is None) == (not named and not on)
        # Nobody whom a trusted source knows is gone, or new; and of nobody has an identity moved.
        assert somebody == {one for one, known in self.everybody.profiles.items() if known.owned}
        gained = self.everybody.owners.keys() - before.keys()
        assert gained <= set(on)
        for identity, whose in before.items():
            if whose in somebody:
                assert owner(self.everybody, identity) == whose
        if len(named) == 1 and named[0] in before:
            assert profile_id == before[named[0]]

    @rule(choice=st.integers(0, 99), hours=st.integers(0, 9))
    def service(self, choice: int, hours: int) -> None:
        made = [one.profile_id for one in self.everybody.decisions if one.kind == "create"]
        if made:
            named = made[choice % len(made)]
            found = self.arrive(SourceKind.SERVICE, (), hours, profile_id=named)
            assert found == self.everybody.resolve(named)

    def owns(self, profile_id: UUID, identity: Identity) -> bool:
        return identity in self.everybody.owners and owner(self.everybody, identity) == profile_id

    @invariant()
    def two_users_are_one_only_by_an_explicit_merge(self) -> None:
        for profile in partition(self.everybody):
            assert no_users_but_merged_ones(profile, self.explicit)

    @invariant()
    def who_is_claimed_is_nobody_else(self) -> None:
        for profile_id, known in self.everybody.profiles.items():
            # A claimed user id may be a former one of the same customer by the word of a trusted source.
            former = {one for one in known.claimed if self.owns(profile_id, one)}
            unproven = known.claimed - known.users - former
            assert not unproven or (len(unproven) == 1 and not known.owned)

    @invariant()
    def every_identity_has_one_owner_that_stands(self) -> None:
        for identity in self.everybody.owners:
            assert owner(self.everybody, identity) in self.everybody.profiles

    @invariant()
    def the_log_replayed_gives_the_same_partition(self) -> None:
        assert replayed(self.everybody.decisions) == partition(self.everybody)

    @invariant()
    def what_the_log_links_is_what_is_known_of_each_profile(self) -> None:
        resolve = {one.profile_id: self.everybody.resolve(one.profile_id) for one in self.everybody.decisions}
        gained = linked(self.everybody.decisions, resolve)
        for profile_id, known in self.everybody.profiles.items():
            told = Known(known.first_seen)
            for namespace, value, vouched in gained.get(profile_id, ()):
                kind, _, space = namespace.partition("@")
                if kind == CLAIMED_USER_ID:
                    told.claimed.add(Identity(user_ids_of(space), value))
                elif kind == Namespace.USER_ID:
                    told.users.add(Identity(Namespace(namespace), value))
                elif namespace == Namespace.ANONYMOUS_ID:
                    told.devices.add(value)
                    told.vouched |= {value} if vouched else set()
                else:
                    told.contacts.add(Identity(Namespace(namespace), value))
            assert told == known

    @invariant()
    def all_events_and_links_of_a_profile_read_again_give_its_state(self) -> None:
        resolve = {one.profile_id: self.everybody.resolve(one.profile_id) for one in self.everybody.decisions}
        gained = linked(self.everybody.decisions, resolve)
        for profile_id, state in self.states.items():
            own = [one for whose, one in self.given if self.everybody.resolve(whose) == profile_id]
            assert folded(own, gained.get(profile_id, ())).state == state

    @invariant()
    def an_alias_opens_a_customer_only_if_it_was_somebody(self) -> None:
        for one in self.everybody.decisions:
            if one.kind == "merge" and one.verified:
                assert one.provenance is not Provenance.PUBLIC


TestIdentityMachine = IdentityMachine.TestCase
TestIdentityMachine.settings = settings(max_examples=at_least(60), stateful_step_count=25)
