"""The dated facts of a customer are a join: in any order, any number of times, the same facts stand."""

from datetime import timedelta
from functools import reduce
from typing import Any
from unittest.mock import patch
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.profile.domain import dates
from services.profile.domain.dates import MAX_DATED, Dated, facts, merge, stated_by
from services.profile.domain.fold import EMPTY, ProfileState, fold, left_out, state_of, traits_of
from shared.contracts.changes import DatedFact
from shared.contracts.envelope import Event, SourceKind, Stamp
from shared.contracts.events import CustomerIdentified, TraitSet
from tests.support.events import NOON, days, event, user
from tests.support.examples import at_least

NOTHING: dict[str, Dated] = {}
BOUND = 3  # that a few events pass
DAYS = ("1990-05-17", "--05-17", "", "2001-01-01")


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Dated]:
    """What one event says: names, trusts and times from small pools, so that they meet."""
    stamp = Stamp(draw(st.integers(0, 2)), NOON + timedelta(hours=draw(st.integers(0, 3))), draw(ids), 0, NOON)
    names = draw(st.sets(st.sampled_from("abcdef"), max_size=BOUND))
    # An event says one thing of a name: it follows from the event's id.
    chances = {name: stamp.event_id.int + ord(name) for name in names}
    return {
        f"{name}:": Dated(stamp, bool(chance % 2), DAYS[chance // 2 % len(DAYS)]) for name, chance in chances.items()
    }


ids = st.integers(0, 2**64).map(lambda number: UUID(int=number))


def fold_of(said: list[dict[str, Dated]]) -> dict[str, Dated]:
    with patch.object(dates, "MAX_DATED", BOUND):
        return reduce(merge, said, NOTHING)


joined = st.lists(statements(), max_size=5).map(fold_of)


@settings(max_examples=at_least(150))
@given(joined, joined, joined)
def test_merge_commutes_associates_and_is_idempotent_within_its_bound(
    one: dict[str, Dated], other: dict[str, Dated], third: dict[str, Dated]
) -> None:
    with patch.object(dates, "MAX_DATED", BOUND):
        assert merge(one, other) == merge(other, one)
        assert merge(merge(one, other), third) == merge(one, merge(other, third))
        assert merge(one, one) == one
        assert merge(one, merge(one, other)) == merge(one, other)
        assert merge(one, {}) == merge({}, one) == one


@settings(max_examples=at_least(100))
@given(st.lists(statements(), max_size=8), st.data())
def test_the_greatest_of_each_name_stand_told_in_another_way(said: list[dict[str, Dated]], data: st.DataObject) -> None:
    said = list({next(iter(one.values())).stamp.event_id: one for one in said if one}.values())
    winners: dict[str, Dated] = {}
    for one in sorted((pair for some in said for pair in some.items()), key=lambda pair: pair[1].rank):
        winners[one[0]] = one[1]
    kept = sorted(winners.items(), key=lambda pair: (pair[1].rank, pair[0]))[-BOUND:]
    assert fold_of(data.draw(st.permutations(said))) == dict(kept)


def identified(at_day: float, kind: SourceKind = SourceKind.SERVER, **traits: Any) -> Event:
    return event(CustomerIdentified(traits=traits), user(1), at=NOON + days(at_day), source_kind=kind)


def birthday(*events: Event) -> str | None:
    """The birthday that stands after these, in either order."""
    found, backwards = (facts(fold(some).dated_facts) for some in (events, reversed(events)))
    assert found == backwards
    return next((one.date for one in found if one.kind == "birthday"), None)


def lunar(date: str | None) -> list[dict[str, Any]]:
    return [{"kind": "birthday", "date": date, "calendar": "lunar"}]


def test_the_last_statement_of_a_kind_and_label_stands() -> None:
    assert birthday(identified(0, birthday="1990-05-17"), identified(1, dob="1990-05-18")) == "1990-05-18"


def test_what_the_list_says_stands_although_an_sdk_goes_on_sending_its_plain_trait() -> None:
    plain = identified(1, birthday="1990-05-17")
    assert birthday(identified(0, dated_facts=lunar("1990-04-23")), plain) == "1990-04-23"


def test_that_there_is_no_such_day_any_more_is_a_statement() -> None:
    assert birthday(identified(0, birthday="1990-05-17"), identified(1, dated_facts=lunar(None))) is None
    assert birthday(identified(1, birthday="1990-05-17"), identified(0, dated_facts=lunar(None))) is None


def test_a_browser_overrides_no_server_and_a_claim_says_nothing() -> None:
    browser = identified(1, SourceKind.PUBLIC, dated_facts=lunar("1990-04-23"))
    assert birthday(browser) == "1990-04-23"
    assert birthday(identified(0, birthday="1990-05-17"), browser) == "1990-05-17"
    claim = msgspec.structs.replace(identified(0, birthday="1990-05-17"), unverified=True)
    assert birthday(claim) is None


def test_a_service_sets_facts_as_traits() -> None:
    said = event(TraitSet(traits={"birthday": "1990-05-17", "plan": "gold"}), source_kind=SourceKind.SERVICE)
    assert birthday(said) == "1990-05-17"
    assert {name: one.value for name, one in traits_of(fold([said])).items()} == {
        "birthday": "1990-05-17",
        "plan": "gold",
    }


def test_the_list_is_kept_as_facts_and_no_trait_and_the_label_may_have_a_colon() -> None:
    said = identified(0, dated_facts=[{"kind": "child", "label": "a:b", "date": "2020-01-01"}, 7])
    state = fold([said])
    assert traits_of(state) == {}
    assert facts(state.dated_facts) == (DatedFact(kind="child", label="a:b", date="2020-01-01"),)
    assert left_out(said, EMPTY, state, added=state_of(said)) == 0


def test_so_many_are_kept_and_what_goes_is_counted() -> None:
    def said(number: int) -> Event:
        listed = [{"kind": "child", "label": f"{number}.{n}", "date": "2020-01-01"} for n in range(15)]
        return identified(number, dated_facts=listed)

    state, gone = EMPTY, 0
    for one in map(said, range(3)):
        before, added = state, state_of(one)
        state = fold([one], onto=before)
        gone += left_out(one, before, state, added=added)
    assert (len(state.dated_facts), gone) == (MAX_DATED, 45 - MAX_DATED)
    assert {name.partition(":")[2].partition(".")[0] for name in state.dated_facts} == {"1", "2"}


def test_a_state_reads_back_as_it_was_stored() -> None:
    state = fold([identified(0, timezone="Asia/Tokyo", dated_facts=lunar("1990-04-23"))])
    assert msgspec.json.decode(msgspec.json.encode(state), type=ProfileState) == state


def test_one_event_says_one_thing_of_a_kind_and_label() -> None:
    stamp = identified(0).stamp
    said = stated_by({"dated_facts": [*lunar("1990-04-22"), *lunar("1990-04-23")]}, stamp)
    assert said == {"birthday:": Dated(stamp, True, "1990-04-23", "lunar")}
