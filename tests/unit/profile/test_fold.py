"""Principle 1: a profile's state is a function of the set of its events."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain import fold as folding
from services.profile.domain.fold import (
    CLAIMED_USER_ID,
    EMPTY,
    MAX_ANONYMOUS_IDS,
    MAX_PUBLIC_TRAIT_BYTES,
    MAX_PUBLIC_TRAITS,
    MAX_TRAIT_BYTES,
    MAX_TRAITS,
    LinkedIdentity,
    ProfileState,
    Trait,
    counted,
    fold,
    left_out,
    merge,
    plain,
    public_names,
    state_of,
    traits_of,
    with_identities,
)
from shared.contracts import dated_facts
from shared.contracts.envelope import TRUST, Event, SourceKind
from shared.contracts.events import CustomerIdentified, PageViewed, ProductViewed, TraitSet
from shared.contracts.identity import Identity, Namespace
from tests.support.events import NOON, days, event, user
from tests.support.growth import LINEAR, exponent
from tests.unit.contracts.strategies import believed_or_claimed, sets_of

events_of_one = sets_of(believed_or_claimed())
owned = st.lists(
    st.builds(LinkedIdentity, st.sampled_from([*Namespace, CLAIMED_USER_ID]), st.sampled_from("abc"), st.booleans()),
    max_size=4,
)


def all_counts(events: Iterable[Event]) -> Counter[tuple[str, str]]:
    """What a set of events adds to the full counts."""
    total: Counter[tuple[str, str]] = Counter()
    for one in events:
        for kind, name, times in counted(one):
            total[kind, name] += times
    return total


def winners(events: Sequence[Event], part: str) -> dict[str, Any]:
    """Last writer wins, told in another way: for each name, what the greatest (trust, time, version, receipt, id) said.

    What is undated comes before all that is not (decision 0051).
    """
    candidates: dict[str, list[tuple[tuple[object, ...], Any]]] = {}
    for one in events:
        if isinstance(one.body, CustomerIdentified | TraitSet) and not one.unverified:
            for name, value in getattr(one.body, part).items():
                if value is not None and name != dated_facts.TRAIT:
                    anonymous = {who.namespace for who in one.identities} == {Namespace.ANONYMOUS_ID}
                    trust = TRUST[SourceKind.PUBLIC if anonymous else one.source_kind]
                    when = (False, NOON) if one.undated else (True, one.occurred_at)
                    key = (trust, *when, one.source_version, one.received_at, one.event_id)
                    candidates.setdefault(name, []).append((key, value))
    return {name: max(values, key=lambda pair: pair[0])[1] for name, values in candidates.items()}


@given(events_of_one, st.data())
def test_any_order_of_the_same_events_gives_the_same_state(events: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events))

    assert fold(shuffled) == fold(events)
    assert all_counts(shuffled) == all_counts(events)


@given(events_of_one, st.data())
def test_any_split_into_batches_gives_the_same_state(events: list[Event], data: st.DataObject) -> None:
    state = EMPTY
    rest = events
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        state, rest = fold(rest[:size], onto=state), rest[size:]

    assert state == fold(events)


@given(events_of_one, st.data())
def test_merging_two_profiles_gives_the_fold_of_the_union_of_their_events(
    events: list[Event], data: st.DataObject
) -> None:
    mine = data.draw(st.sets(st.sampled_from(range(len(events))))) if events else set()
    one = [event for place, event in enumerate(events) if place in mine]
    other = [event for place, event in enumerate(events) if place not in mine]

    assert merge(fold(one), fold(other)) == fold(events)


@given(events_of_one, events_of_one, events_of_one, owned, owned)
def test_merge_commutes_and_associates(
    a: list[Event], b: list[Event], c: list[Event], mine: list[LinkedIdentity], theirs: list[LinkedIdentity]
) -> None:
    one, other, third = with_identities(fold(a), mine), with_identities(fold(b), theirs), fold(c)

    assert merge(one, other) == merge(other, one)
    assert merge(merge(one, other), third) == merge(one, merge(other, third))


@given(events_of_one, owned)
def test_the_empty_state_is_neutral(events: list[Event], mine: list[LinkedIdentity]) -> None:
    state = with_identities(fold(events), mine)

    assert merge(state, EMPTY) == merge(EMPTY, state) == state


@given(events_of_one)
def test_of_what_was_said_of_a_trait_the_greatest_trust_time_version_receipt_and_id_wins(events: list[Event]) -> None:
    state = fold(events)

    traits = traits_of(state)
    assert plain(traits, 100) == winners(events, "traits")
    assert set(public_names(traits, traits)) == {
        name for name in traits if traits[name].stamp.trust == TRUST[SourceKind.PUBLIC]
    }


@given(events_of_one)
def test_first_and_last_seen_and_the_number_of_events_count_every_event(events: list[Event]) -> None:
    state = fold(events)

    assert state.events == len(events)
    assert state.first_seen == min((one.occurred_at for one in events), default=None)
    assert state.last_seen == max((one.occurred_at for one in events), default=None)


@given(events_of_one)
def test_a_claim_is_seen_and_believed_in_nothing(events: list[Event]) -> None:
    claims = [msgspec.structs.replace(one, unverified=True) for one in events]
    state = fold(claims)

    assert state == ProfileState(first_seen=state.first_seen, last_seen=state.last_seen, events=len(claims))
    assert not all_counts(claims)


@given(st.lists(owned, max_size=4), st.data())
def test_identities_are_the_same_set_whatever_the_order_they_came_in(
    batches: list[list[LinkedIdentity]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(batches))

    assert reduce(with_identities, shuffled, EMPTY) == with_identities(EMPTY, [one for some in batches for one in some])


def test_a_server_overrides_what_a_browser_said_later() -> None:
    server = event(CustomerIdentified(traits={"name": "Ann"}), user(1), at=NOON)
    browser = event(
        CustomerIdentified(traits={"name": "<script>"}), user(1), at=NOON + days(1), source_kind=SourceKind.PUBLIC
    )

    assert plain(traits_of(fold([server, browser])), 9) == {"name": "Ann"}


def test_null_says_nothing_about_a_trait() -> None:
    events = [
        event(CustomerIdentified(traits={"name": "Ann"}), at=NOON),
        event(CustomerIdentified(traits={"name": None}), at=NOON + days(1)),
    ]

    assert plain(fold(events).traits, 9) == {"name": "Ann"}


def test_a_page_counts_by_its_path_and_without_one_by_its_url() -> None:
    assert counted(event(PageViewed(path="/tea", url="https://shop/tea"))) == [("page", "/tea", 1)]
    assert counted(event(PageViewed(url="https://shop/tea"))) == [("page", "https://shop/tea", 1)]
    assert counted(event(PageViewed())) == []


def test_a_viewed_product_counts_for_itself_and_for_its_category() -> None:
    assert counted(event(ProductViewed(sku="tea", category="drinks"))) == [
        ("product_viewed", "tea", 1),
        ("category_viewed", "drinks", 1),
    ]


def test_a_name_that_is_counted_is_cut_to_a_length_that_an_index_takes() -> None:
    [(_, name, _)] = counted(event(PageViewed(path="/" + "x" * 5000)))

    assert len(name) == 200


def test_at_most_so_many_traits_are_given_out_in_the_order_of_their_names() -> None:
    state = state_of(event(CustomerIdentified(traits={"b": 2, "a": 1, "c": 3})))

    assert list(plain(traits_of(state), 2)) == ["a", "b"]


# Bounds

PUBLIC, SERVER = SourceKind.PUBLIC, SourceKind.SERVER


@contextmanager
def small_bounds() -> Iterator[None]:
    """Bounds that a few events of the strategies pass."""
    with (
        patch.object(folding, "MAX_TRAITS", 3),
        patch.object(folding, "MAX_PUBLIC_TRAITS", 2),
        patch.object(folding, "MAX_IDENTITIES", 2),
        patch.object(folding, "MAX_ANONYMOUS_IDS", 1),
    ):
        yield


values_by_name = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9), max_size=5)
identified = st.builds(
    lambda traits, hour, kind: event(CustomerIdentified(traits=traits), at=NOON + days(hour), source_kind=kind),
    values_by_name,
    st.integers(0, 5),
    st.sampled_from([PUBLIC, SERVER, SourceKind.SERVICE]),
)
many_identified = st.lists(identified, max_size=12)


@given(many_identified, st.data())
def test_within_bounds_any_order_and_any_batching_give_the_same_state(events: list[Event], data: st.DataObject) -> None:
    with small_bounds():
        shuffled = data.draw(st.permutations(events))
        cut = data.draw(st.integers(0, len(events)))
        whole = fold(events)

        assert fold(shuffled) == whole
        assert merge(fold(shuffled[:cut]), fold(shuffled[cut:])) == whole
        assert merge(whole, EMPTY) == merge(EMPTY, whole) == whole


@given(many_identified, many_identified, many_identified, owned, owned)
def test_within_bounds_merge_commutes_and_associates_and_its_joins_are_idempotent(
    a: list[Event], b: list[Event], c: list[Event], mine: list[LinkedIdentity], theirs: list[LinkedIdentity]
) -> None:
    with small_bounds():
        one, other, third = with_identities(fold(a), mine), with_identities(fold(b), theirs), fold(c)

        assert merge(one, other) == merge(other, one)
        assert merge(merge(one, other), third) == merge(one, merge(other, third))
        twice = merge(one, one)
        assert (twice.traits, twice.public_traits, twice.identities) == (one.traits, one.public_traits, one.identities)


@given(many_identified)
def test_what_is_kept_is_the_newest_of_each_kind_told_in_another_way(events: list[Event]) -> None:
    with small_bounds():
        state = fold(events)
    for kept, public, most in ((state.public_traits, True, 2), (state.traits, False, 3)):
        traits = {
            name: Trait(one.stamp, value)
            for one in sorted(events, key=lambda one: one.stamp)
            if isinstance(one.body, CustomerIdentified) and (one.source_kind is PUBLIC) is public
            for name, value in one.body.traits.items()
        }
        newest = sorted(traits.items(), key=lambda item: (item[1].stamp, item[0]))[-most:]
        assert kept == dict(newest)


@given(st.lists(owned, max_size=4))
def test_of_identities_the_least_are_kept_whatever_the_order_they_came_in(batches: list[list[LinkedIdentity]]) -> None:
    with small_bounds():
        state = reduce(with_identities, batches, EMPTY)
    for namespace, values in state.identities.items():
        most = 1 if namespace in (Namespace.ANONYMOUS_ID, CLAIMED_USER_ID) else 2
        linked = {one.value for some in batches for one in some if one.namespace == namespace}
        assert values == tuple(sorted(linked)[:most])


def flood(kind: SourceKind, events: int, names: int, *, size: int = 1) -> list[Event]:
    """Events that each say so many names that nobody said before."""
    return [
        event(
            CustomerIdentified(traits={f"n{number}.{name}": "x" * size for name in range(names)}),
            at=NOON + days(number) / 10_000,
            source_kind=kind,
        )
        for number in range(events)
    ]


def test_a_browsers_flood_of_names_pushes_out_its_own_oldest_and_nothing_that_a_server_said() -> None:
    server = event(CustomerIdentified(traits={"name": "Ann"}), at=NOON - days(1))
    state = fold([server, *flood(PUBLIC, 300, 20)])

    assert len(state.public_traits) == MAX_PUBLIC_TRAITS
    assert {name.split(".")[0] for name in state.public_traits} == {"n295", "n296", "n297", "n298", "n299"}
    assert plain(state.traits, 9) == {"name": "Ann"}


def test_a_server_has_a_bound_too_and_a_generous_one() -> None:
    assert len(fold(flood(SERVER, 150, 10)).traits) == MAX_TRAITS == 1_000


@pytest.mark.parametrize(("kind", "most"), [(PUBLIC, MAX_PUBLIC_TRAIT_BYTES), (SERVER, MAX_TRAIT_BYTES)])
def test_a_value_that_is_too_large_is_not_kept_and_the_others_beside_it_are(kind: SourceKind, most: int) -> None:
    body = CustomerIdentified(traits={"a": "x" * (most - 9), "b": "x" * most, "c": {"d": ["x" * most]}, "e": 1})
    state = state_of(event(body, source_kind=kind))

    assert sorted(traits_of(state)) == ["a", "e"]
    assert left_out(event(body, source_kind=kind), EMPTY, state, added=state) == 2


def test_what_goes_is_counted() -> None:
    state, gone = EMPTY, 0
    for one in flood(PUBLIC, 30, 10):
        before, added = state, state_of(one)
        state = merge(before, added)
        gone += left_out(one, before, state, added=added)
    assert gone == 300 - MAX_PUBLIC_TRAITS

    [at_once] = flood(PUBLIC, 1, 300)
    assert left_out(at_once, EMPTY, state_of(at_once), added=state_of(at_once)) == 300 - MAX_PUBLIC_TRAITS


def test_ten_thousand_anonymous_ids_are_as_many_as_are_kept() -> None:
    ids = [LinkedIdentity(Namespace.ANONYMOUS_ID, f"a-{number:05}", vouched=False) for number in range(10_000)]
    state = with_identities(EMPTY, ids)

    assert state.identities == {"anonymous_id": tuple(one.value for one in ids[:MAX_ANONYMOUS_IDS])}


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5), st.booleans()), max_size=10), st.data())
def test_of_addresses_as_many_are_kept_as_of_identities_whatever_the_order(
    addresses: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """The verified ones first, and of each kind the newest: `test_contact` has the rest."""
    events = [
        event(
            CustomerIdentified(traits={"email_verified": verified}),
            Identity(Namespace.EMAIL, f"{name}@example.com"),
            at=NOON + days(day),
        )
        for name, day, verified in addresses
    ]
    shuffled = data.draw(st.permutations(events))
    with small_bounds():
        state = fold(events)
        assert fold(shuffled) == state
    best = {name: max((verified, day) for one, day, verified in addresses if one == name) for name, _, _ in addresses}
    names = sorted(best, key=lambda name: (best[name], name))[-2:]
    assert sorted(state.contact_points.get("email", {})) == sorted(f"{name}@example.com" for name in names)


def test_a_state_of_before_there_were_bounds_is_cut_and_says_the_same_of_what_is_left() -> None:
    old = ProfileState(
        traits={name: trait for one in flood(PUBLIC, 300, 20) for name, trait in state_of(one).public_traits.items()}
        | {"name": Trait(event(PageViewed(), source_kind=SERVER).stamp, "Ann")},
        identities={"anonymous_id": tuple(f"a-{number:05}" for number in range(10_000))},
    )
    state = merge(old, state_of(event(CustomerIdentified(traits={"n0.0": 2}), source_kind=PUBLIC, at=NOON + days(9))))

    assert (len(state.traits), len(state.public_traits)) == (MAX_TRAITS, 1)
    assert (traits_of(state)["name"].value, traits_of(state)["n0.0"].value) == ("Ann", 2)
    assert len(state.identities["anonymous_id"]) == MAX_ANONYMOUS_IDS


@pytest.mark.parametrize(("kind", "sizes"), [(PUBLIC, (100, 200, 400, 800)), (SERVER, (200, 400, 800, 1_600))], ids=str)
def test_one_more_event_costs_the_same_at_the_ten_thousandth_trait_as_at_the_first(
    kind: SourceKind, sizes: tuple[int, ...]
) -> None:
    """Each event says twenty new names, and the state is written after each, as a batch of one would."""

    def work(events: list[Event]) -> None:
        state = EMPTY
        for one in events:
            state = merge(state, state_of(one))
            msgspec.json.encode(state)

    assert exponent(work, lambda events: flood(kind, events, 20), sizes=sizes) <= LINEAR
