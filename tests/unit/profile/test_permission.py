"""Consent: of trusted sources alone, the newest by the customer's time, and no yes made of a no by joining two."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain import fold
from services.profile.domain.fold import CLAIMED_USER_ID, LinkedIdentity, ProfileState, Trait, agreed, current
from shared.contracts.envelope import TRUST, Event, SourceKind, Stamp
from shared.contracts.events import ConsentChanged, CustomerIdentified
from shared.contracts.identity import Identity, Namespace
from shared.contracts.moments import EARLIEST
from tests.support.events import NOON, days, event, user
from tests.unit.contracts.strategies import believed_or_claimed, sets_of
from tests.unit.profile.test_identity import Components

ANN, MAIL = user("ann"), Identity(Namespace.EMAIL, "ann@example.com")
DEVICE = Identity(Namespace.ANONYMOUS_ID, "a")
NOBODY = user("nobody")  # whom an event speaks of that names no identity

identities = st.lists(
    st.builds(LinkedIdentity, st.sampled_from([*Namespace, CLAIMED_USER_ID]), st.sampled_from("12"), st.booleans())
)


def asked(granted: bool, *named: Identity, at: float = 0, **changes: Any) -> Event:
    return event(CustomerIdentified(consent={"email": granted}), *named, at=NOON + days(at), **changes)


def changed(granted: bool, *named: Identity, purpose: str = "marketing", at: float = 0, **changes: Any) -> Event:
    body = ConsentChanged(channel="email", purpose=purpose, granted=granted)
    return event(body, *named, at=NOON + days(at), **changes)


def withdrawn_by_visitor(*named: Identity, at: float = 0) -> Event:
    return changed(False, *named, at=at, source_kind=SourceKind.PUBLIC)


def told(*named: Identity, at: float = 0) -> Event:
    return event(CustomerIdentified(), *named, at=NOON + days(at))


def email(*events: Event) -> bool | None:
    return agreed(fold.fold(events)).get("email")


def test_the_newest_word_of_one_customer_counts() -> None:
    assert email(asked(False, ANN), asked(True, ANN, at=1)) is True
    assert email(asked(True, ANN), asked(False, ANN, at=1)) is False
    assert email(asked(True, ANN), asked(False, ANN)) is False  # a withdrawal wins a tie


def undated(one: Event) -> Event:
    return msgspec.structs.replace(one, undated=True)


def _about(one: Event) -> tuple[object, str]:
    assert isinstance(one.body, ConsentChanged)
    return one.identities, one.body.purpose


words = st.builds(
    lambda granted, name, purpose, at, dated: (lambda one: one if dated else undated(one))(
        changed(granted, name, purpose=purpose, at=at)
    ),
    st.booleans(),
    st.sampled_from([ANN, MAIL]),
    st.sampled_from(["marketing", "newsletter"]),
    st.integers(-3, 3),
    st.booleans(),
)


@given(st.lists(words, max_size=8), st.data())
def test_an_undated_word_loses_to_every_dated_one_of_the_same_name_and_pair_in_any_order(
    events: list[Event], data: st.DataObject
) -> None:
    """Whatever is known of the two names: with undated words of what is dated already, and without, it is the same."""
    dated = {_about(one) for one in events if not one.undated}
    losing = [one for one in events if one.undated and _about(one) in dated]
    others = [one for one in events if one not in losing]
    any_order = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))
    merged = fold.merge(fold.fold(any_order[:cut]), fold.fold(any_order[cut:]))
    for joined in ([], [told(ANN, MAIL, at=-9)], [told(ANN, MAIL, at=2)]):
        assert agreed(fold.fold(joined, onto=merged)) == agreed(fold.fold([*others, *joined]))


def test_an_undated_word_counts_where_nothing_dated_is_known_and_a_no_wins_among_them() -> None:
    assert email(undated(asked(True, ANN))) is True
    assert email(undated(asked(False, ANN))) is False
    assert email(undated(asked(True, ANN, at=1)), undated(asked(False, ANN))) is False
    assert email(undated(asked(True, ANN, MAIL)), asked(False, ANN, at=-500)) is False
    assert email(asked(False, ANN), undated(asked(True, MAIL)), told(ANN, MAIL, at=1)) is False
    [one] = fold.standing(fold.fold([undated(asked(True, ANN))]))
    assert one.changed_at == EARLIEST


def test_a_public_key_says_nothing_of_consent() -> None:
    assert email(asked(True, ANN, source_kind=SourceKind.PUBLIC)) is None
    assert email(asked(False, ANN), asked(True, ANN, at=1, source_kind=SourceKind.PUBLIC)) is False


def test_consent_is_to_a_channel_and_a_purpose_and_what_names_no_purpose_is_marketing() -> None:
    state = fold.fold([asked(True, ANN), changed(False, ANN, purpose="newsletter", at=1)])
    assert agreed(state) == {"email": True, "email:newsletter": False}
    assert email(asked(True, ANN), changed(False, ANN, at=1)) is False
    assert email(changed(False, ANN), asked(True, ANN, at=1)) is True


def test_what_stands_says_since_when_and_by_which_event() -> None:
    yes, no, late = changed(True, ANN), changed(False, ANN, at=2), changed(True, ANN, at=1)
    [one] = fold.standing(fold.fold([no, late, yes]))
    assert (one.granted, one.changed_at, one.event_id) == (False, no.occurred_at, no.event_id)
    [one] = fold.standing(fold.fold([yes, late]))
    assert (one.granted, one.changed_at, one.event_id) == (True, late.occurred_at, late.event_id)


GIVEN = Identity(Namespace.ANONYMOUS_ID, "a")


def visitor(*events: Event) -> bool | None:
    """The consent of whoever has this device, whose it is by a trusted source's word."""
    linked = [LinkedIdentity("anonymous_id", GIVEN.value, vouched=True)]
    return agreed(fold.with_identities(fold.fold(events), linked)).get("email")


def test_what_a_visitor_withdraws_counts_unless_a_user_or_a_verified_address_was_known_then() -> None:
    agreed_by_mail = asked(True, MAIL, GIVEN)
    verified = event(CustomerIdentified(traits={"email_verified": True}), MAIL, at=NOON)
    assert visitor(agreed_by_mail, withdrawn_by_visitor(GIVEN, at=1)) is False
    assert visitor(agreed_by_mail, verified, withdrawn_by_visitor(GIVEN, at=1)) is True
    assert visitor(asked(True, ANN, GIVEN), withdrawn_by_visitor(GIVEN, at=1)) is True
    assert visitor(agreed_by_mail, withdrawn_by_visitor(GIVEN, at=1), told(ANN, GIVEN, at=2)) is False
    assert visitor(agreed_by_mail, withdrawn_by_visitor(GIVEN, at=1), asked(True, MAIL, at=2)) is True


def test_what_a_visitor_grants_or_says_without_leave_counts_for_nothing() -> None:
    granted = changed(True, GIVEN, source_kind=SourceKind.PUBLIC)
    assert visitor(granted) is None
    unbelieved = msgspec.structs.replace(withdrawn_by_visitor(GIVEN, at=1), unverified=True)
    assert visitor(asked(True, MAIL, GIVEN), unbelieved) is True


def test_joining_two_makes_no_yes_of_a_no_but_the_next_yes_does() -> None:
    apart = [asked(False, ANN), asked(True, MAIL, at=1)]
    assert email(*apart, told(ANN, MAIL, at=2)) is False
    assert email(*apart, told(ANN, MAIL, at=2), asked(True, MAIL, at=3)) is True
    assert email(*apart, told(ANN, MAIL, at=2), asked(True, ANN, at=3)) is True


def test_a_yes_of_a_customer_who_was_known_by_both_names_lifts_an_earlier_no_under_the_other() -> None:
    assert email(told(ANN, MAIL), asked(False, MAIL, at=1), asked(True, ANN, at=2)) is True
    assert email(asked(False, MAIL), asked(True, ANN, MAIL, at=1)) is True


def test_a_link_that_was_told_late_joins_only_from_when_it_was_told() -> None:
    late = msgspec.structs.replace(told(ANN, MAIL, at=-9), received_at=NOON + days(2))
    assert email(asked(False, ANN), asked(True, MAIL, at=1), late) is False


def test_consent_of_an_anonymous_id_counts_once_a_trusted_source_says_whose_it_is() -> None:
    state = fold.fold([asked(True, DEVICE)])
    for vouched, expected in ((False, {}), (True, {"email": True})):
        linked = fold.with_identities(state, [LinkedIdentity("anonymous_id", "a", vouched)])
        assert agreed(linked) == expected


def test_a_state_of_before_means_what_it_meant() -> None:
    def stamp(kind: SourceKind, at: datetime) -> Stamp:
        return Stamp(TRUST[kind], at, ANN_EVENT)

    before = ProfileState(
        consent={
            "email": Trait(stamp(SourceKind.SERVER, NOON), False),
            "sms": Trait(stamp(SourceKind.SERVER, NOON), True),
            "push": Trait(stamp(SourceKind.PUBLIC, NOON), True),
        },
        identities={"user_id": ("ann",), "email": ("ann@example.com",)},
    )
    state = current(msgspec.json.decode(msgspec.json.encode(before), type=ProfileState))
    assert agreed(state) == {"email": False, "sms": True}
    assert current(state) == state
    for name in (ANN, MAIL):
        assert agreed(fold.fold([asked(True, name, at=1)], onto=state))["email"] is True
    stranger = fold.fold([asked(True, Identity(Namespace.EMAIL, "other@example.com"), at=1)])
    assert agreed(fold.merge(state, stranger))["email"] is False


@given(sets_of(believed_or_claimed()), identities)
def test_the_release_before_reads_the_same_consent_and_what_it_writes_is_read_here(
    events: list[Event], gained: list[LinkedIdentity]
) -> None:
    state = fold.with_identities(fold.fold(events), [*gained, LinkedIdentity("user_id", "1", vouched=True)])
    written = fold.stored(state)
    assert {channel: one.value for channel, one in written.consent.items()} == agreed(state)
    assert current(msgspec.json.decode(msgspec.json.encode(written), type=ProfileState)) == state

    rewritten = ProfileState(consent=written.consent, identities=written.identities)  # it drops what it does not know
    assert agreed(current(rewritten)) == agreed(state)


ANN_EVENT = told(ANN).event_id


@given(sets_of(believed_or_claimed()), identities)
def test_consent_is_what_a_reading_of_all_events_at_once_says(
    events: list[Event], gained: list[LinkedIdentity]
) -> None:
    state = fold.with_identities(fold.fold(events), gained)
    vouched = {one.value for one in gained if one.namespace == Namespace.ANONYMOUS_ID and one.vouched}
    assert agreed(state) == read_at_once(events, vouched)


@given(sets_of(believed_or_claimed()), sets_of(believed_or_claimed()), identities, identities)
def test_merging_two_profiles_never_makes_a_yes_of_a_no(
    mine: list[Event], theirs: list[Event], my_own: list[LinkedIdentity], their_own: list[LinkedIdentity]
) -> None:
    def of(name: str, events: list[Event]) -> list[Event]:
        """Two profiles share no identity."""
        return [
            msgspec.structs.replace(
                one,
                identities=tuple(Identity(who.namespace, name + who.value) for who in one.identities)
                or (Identity(Namespace.USER_ID, name),),
            )
            for one in events
        ]

    one = fold.with_identities(fold.fold(of("x", mine)), my_own)
    other = fold.with_identities(fold.fold(of("y", theirs)), their_own)
    both = agreed(fold.merge(one, other))

    for state in (one, other):
        for channel, granted in agreed(state).items():
            assert granted or both[channel] is False


def read_at_once(events: list[Event], vouched: set[str]) -> dict[str, bool]:
    """The rule as it is told, on the whole list: for every no, is there a later yes by who was known to be the same?"""
    trusted = [one for one in events if one.source_kind is not SourceKind.PUBLIC]
    found: dict[str, bool] = {}
    for pair in ("email", "sms", "email:newsletter", "sms:newsletter"):
        read = [
            (one, names, granted)
            for one in trusted
            if not one.unverified and (granted := word_of(one, pair)) is not None
            if (names := names_of(one))
        ]
        yes = [(one, {name for name in names if counts(name, vouched)}) for one, names, granted in read if granted]
        no = [(one, names[0]) for one, names, granted in read if not granted and counts(names[0], vouched)]
        no += refused_in_public(events, trusted, pair, vouched)
        yes = [(one, names) for one, names in yes if names]
        if yes or no:
            found[pair] = all(
                any(
                    agreeing.stamp.occurred_at > refusing.stamp.occurred_at
                    and any(known(trusted, agreeing.stamp.occurred_at, name, other) for other in names)
                    for agreeing, names in yes
                )
                for refusing, name in no
            )
    return found


def refused_in_public(
    events: list[Event], trusted: list[Event], pair: str, vouched: set[str]
) -> list[tuple[Event, Identity]]:
    """What visitors withdrew, of whom no user id was known when they first did."""
    refused = [
        (one, visitor)
        for one in events
        if one.source_kind is SourceKind.PUBLIC and not one.unverified and word_of(one, pair) is False
        for visitor in [who for who in one.identities if who.namespace is Namespace.ANONYMOUS_ID][:1]
        if counts(visitor, vouched)
    ]
    users = {who for one in trusted for who in names_of(one) if who.namespace is Namespace.USER_ID}
    first = {visitor: min(one.received_at for one, who in refused if who == visitor) for _, visitor in refused}
    anonymous = {who for who, since in first.items() if not any(known(trusted, since, who, user) for user in users)}
    return [(one, visitor) for one, visitor in refused if visitor in anonymous]


def word_of(one: Event, pair: str) -> bool | None:
    """What an event says of a pair."""
    match one.body:
        case CustomerIdentified(consent=consent):
            return consent.get(pair)
        case ConsentChanged(channel=channel, purpose=purpose, granted=granted):
            spelt = channel if purpose == "marketing" else f"{channel}:{purpose}"
            return granted if spelt == pair else None
    return None


def names_of(one: Event) -> list[Identity]:
    """Whom an event is about, strongest first: of several users only the first, unless it merges them."""
    named = set(one.identities)
    if one.merges:
        named |= {user(who.value) for who in named if who.namespace is Namespace.ANONYMOUS_ID}
    ordered = sorted(named, key=lambda who: (list(Namespace).index(who.namespace), who.value)) or [NOBODY]
    return ordered if one.merges else [who for who in ordered if who == ordered[0] or not is_user(who)]


def is_user(who: Identity) -> bool:
    return who.namespace is Namespace.USER_ID


def counts(name: Identity, vouched: set[str]) -> bool:
    return name.namespace is not Namespace.ANONYMOUS_ID or name.value in vouched


def known(events: list[Event], at: datetime, one: Identity, other: Identity) -> bool:
    """Whether the two names were known to mean the same customer at that time.

    What stands with users whom no explicit merge had made one joins nobody, and a chain that leads to several such
    users joins none of its names, but those users as far as they were merged.
    """
    told = [
        (names[0], name, by.received_at <= at)
        for by in events
        if len(by.identities) > 1
        for names in [names_of(by)]
        for name in names[1:]
    ]
    merged = joined_by((a, b) for a, b, then in told if then and is_user(a) and is_user(b))
    users: dict[Identity, set[Identity]] = {}
    for a, b, _ in told:
        for name, user_of in ((a, b), (b, a)):
            if is_user(user_of) and not is_user(name):
                users.setdefault(name, set()).add(merged.root(user_of))
    shared = {name for name, whose in users.items() if len(whose) > 1}
    apart = [(a, b, then) for a, b, then in told if not shared & {a, b}]
    chains = joined_by((a, b) for a, b, then in apart if then or not (is_user(a) and is_user(b)))
    if one in shared:
        return False
    here = {name for name in [*chains.parent, one] if chains.root(name) == chains.root(one) and is_user(name)}
    if len({merged.root(name) for name in here}) > 1:
        return is_user(one) and merged.root(one) == merged.root(other)
    near = joined_by((a, b) for a, b, then in apart if then)
    return bool(near.root(one) == near.root(other))


def joined_by(pairs: Iterable[tuple[Identity, Identity]]) -> Components:
    found = Components()
    for pair in pairs:
        found.join(pair)
    return found


def test_a_yes_of_an_event_that_names_several_users_is_that_of_the_first() -> None:
    assert email(asked(False, user("3")), asked(True, user("1"), user("2"), user("3"), at=1)) is False
    assert email(asked(False, user("1")), asked(True, user("1"), user("3"), at=1)) is True


def test_a_device_that_two_users_share_makes_no_yes_of_a_no() -> None:
    shared = [asked(False, user("3")), told(user("3"), DEVICE), told(user("1"), DEVICE), asked(True, user("1"), at=1)]
    assert email(*shared) is False


def test_a_yes_by_a_chain_of_names_that_leads_to_two_users_is_that_of_neither() -> None:
    bob, his = user("bob"), Identity(Namespace.EMAIL, "bob@example.com")
    chain = [asked(False, ANN), told(ANN, MAIL), told(bob, his), asked(True, MAIL, his, at=1)]
    merged = event(CustomerIdentified(), ANN, bob, at=NOON + days(2), merges=True)
    assert email(*chain) is False
    assert email(*chain, merged) is False
    assert email(*chain, merged, asked(True, ANN, at=3)) is True


def test_a_yes_that_counted_counts_after_a_merge_with_somebody_else() -> None:
    bob = user("bob")
    agreed_again = [asked(False, ANN), told(ANN, MAIL), asked(True, MAIL, at=1)]
    merged = event(CustomerIdentified(), ANN, bob, at=NOON + days(2), merges=True)
    assert email(*agreed_again) is True
    assert email(*agreed_again, told(bob), merged) is True
