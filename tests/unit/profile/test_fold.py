"""Principle 1: a profile's state is a function of the set of its events."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain.fold import (
    CLAIMED_USER_ID,
    EMPTY,
    LinkedIdentity,
    ProfileState,
    Tally,
    counted,
    fold,
    merge,
    plain,
    public_names,
    state_of,
    with_identities,
)
from shared.contracts.envelope import TRUST, Event, SourceKind
from shared.contracts.events import (
    CustomerIdentified,
    FeedbackSubmitted,
    PageViewed,
    ProductViewed,
)
from shared.contracts.identity import Namespace
from tests.support.events import NOON, days, event, user
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
    """Last writer wins, told in another way: for each name, what the greatest (trust, time, id) said."""
    said: dict[str, list[tuple[tuple[int, object, object], Any]]] = {}
    for one in events:
        if isinstance(one.body, CustomerIdentified) and not one.claim:
            for name, value in getattr(one.body, part).items():
                if value is not None:
                    anonymous = {who.namespace for who in one.identities} == {Namespace.ANONYMOUS_ID}
                    trust = TRUST[SourceKind.PUBLIC if anonymous else one.source_kind]
                    key = (trust, one.occurred_at, one.event_id)
                    said.setdefault(name, []).append((key, value))
    return {name: max(values, key=lambda pair: pair[0])[1] for name, values in said.items()}


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
def test_of_what_was_said_of_a_trait_the_greatest_trust_then_time_then_id_wins(events: list[Event]) -> None:
    state = fold(events)

    assert plain(state.traits, 100) == winners(events, "traits")
    assert set(public_names(state.traits, state.traits)) == {
        name for name in state.traits if state.traits[name].stamp.trust == TRUST[SourceKind.PUBLIC]
    }


@given(events_of_one)
def test_first_and_last_seen_and_the_number_of_events_count_every_event(events: list[Event]) -> None:
    state = fold(events)

    assert state.events == len(events)
    assert state.first_seen == min((one.occurred_at for one in events), default=None)
    assert state.last_seen == max((one.occurred_at for one in events), default=None)


@given(events_of_one)
def test_a_claim_is_seen_and_believed_in_nothing(events: list[Event]) -> None:
    claims = [Event(**{name: getattr(one, name) for name in one.__struct_fields__} | {"claim": True}) for one in events]
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

    assert plain(fold([server, browser]).traits, 9) == {"name": "Ann"}


def test_null_says_nothing_about_a_trait() -> None:
    events = [
        event(CustomerIdentified(traits={"name": "Ann"}), at=NOON),
        event(CustomerIdentified(traits={"name": None}), at=NOON + days(1)),
    ]

    assert plain(fold(events).traits, 9) == {"name": "Ann"}


def test_feedback_is_tallied_by_survey() -> None:
    answers = [FeedbackSubmitted(survey="nps", rating=9), FeedbackSubmitted(survey="nps", rating=3)]
    state = fold([event(one) for one in (*answers, FeedbackSubmitted(survey="csat", rating=5))])

    assert state.feedback == {"nps": Tally(2, 12), "csat": Tally(1, 5)}


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

    assert list(plain(state.traits, 2)) == ["a", "b"]
