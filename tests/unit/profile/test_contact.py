"""Which address of a customer is used: the newest verified one, else the newest; and no bound drops that."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain import contact
from services.profile.domain.contact import Point, contact_points
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, CustomEvent, FeedbackSubmitted, OrderPlaced
from shared.contracts.identity import Identity, Namespace
from tests.support.events import NOON, days, event

Points = dict[str, dict[str, Point]]


def address(name: str) -> Identity:
    return Identity(Namespace.EMAIL, f"{name}@example.com")


def identify(*names: str, at: datetime = NOON, verified: bool = False, **changes: Any) -> Event:
    traits = {"email_verified": True} if verified else {}
    return event(CustomerIdentified(traits=traits), *map(address, names), at=at, **changes)


def order(*names: str, at: datetime = NOON, **changes: Any) -> Event:
    return event(
        OrderPlaced(order_id="1", currency="EUR", total_minor=1, items=()), *map(address, names), at=at, **changes
    )


def folded(events: Sequence[Event], *, most: int = 100) -> Points:
    found: Points = {}
    for one in events:
        found = contact.merge(found, contact.named_by(one), most=most)
    return found


def used(*events: Event) -> str:
    """The name of the address that mails go to."""
    return contact_points(folded(events), {}, limit=20)[0].value.partition("@")[0]


def test_a_changed_address_demotes_the_old_one_whatever_the_alphabet_says() -> None:
    assert used(identify("a-old"), identify("z-new", at=NOON + days(1))) == "z-new"
    assert used(identify("z-old"), identify("a-new", at=NOON + days(1))) == "a-new"
    assert used(identify("a-new", at=NOON + days(1)), identify("z-old")) == "a-new"


def test_a_verified_address_comes_before_a_newer_one_that_is_not() -> None:
    assert used(identify("old", verified=True), identify("new", at=NOON + days(9))) == "old"
    assert used(identify("old", verified=True), identify("new", verified=True, at=NOON + days(9))) == "new"


def test_of_two_verified_addresses_the_last_one_verified_counts_and_not_the_last_one_named() -> None:
    mentioned = order("old", at=NOON + days(9))
    assert used(identify("old", verified=True), identify("new", verified=True, at=NOON + days(1)), mentioned) == "new"


def test_an_order_that_still_carries_the_old_address_does_not_bring_it_back() -> None:
    changed = [identify("old"), identify("new", at=NOON + days(1))]
    assert used(*changed, order("old", at=NOON + days(2))) == "new"
    assert used(*changed, identify("old", at=NOON + days(3))) == "old"


def test_an_address_that_only_orders_name_is_the_customers_newest_all_the_same() -> None:
    assert used(identify("old"), order("new", at=NOON + days(1))) == "new"
    assert used(order("one"), order("two", at=NOON + days(1)), order("one", at=NOON + days(2))) == "one"


def test_of_two_of_one_moment_the_one_received_last_counts() -> None:
    first, then = (NOON + timedelta(hours=1, microseconds=place) for place in range(2))
    assert used(identify("z", received_at=first), identify("a", received_at=then)) == "a"
    assert used(identify("z", received_at=then), identify("a", received_at=first)) == "z"


@pytest.mark.parametrize(
    "nobodys",
    [
        identify("x", source_kind=SourceKind.PUBLIC),
        order("x", unverified=True),
        event(FeedbackSubmitted(survey="nps", rating=9), address("x"), at=NOON, source_kind=SourceKind.SERVICE),
    ],
)
def test_what_anybody_could_say_gives_no_address(nobodys: Event) -> None:
    assert contact.named_by(nobodys) == {}


def test_a_statement_of_before_more_was_kept_counts_as_it_stands() -> None:
    before = {"email": {"old@example.com": Point(NOON, True), "z@example.com": Point(NOON)}}
    after = contact.merge(before, contact.named_by(identify("new", at=NOON + days(1))), most=100)
    assert [one.value for one in contact_points(after, {"email": ("linked@example.com",)}, limit=20)] == [
        "old@example.com",
        "new@example.com",
        "z@example.com",
        "linked@example.com",
    ]


def test_many_verified_numbers_leave_room_for_the_address() -> None:
    numbers = {f"+49309018{one:02}": Point(NOON, True) for one in range(50)}
    found = contact_points({"phone": numbers, "email": {"a@example.com": Point(NOON)}}, {}, limit=20)
    assert len(found) == 20
    assert [one.value for one in found if one.namespace == "email"] == ["a@example.com"]


statements = st.lists(
    st.builds(
        lambda kind, name, day, hour, verified: kind(
            name,
            at=NOON + days(day),
            received_at=NOON + days(9) + timedelta(hours=hour),
            **({"verified": verified} if kind is identify else {}),
        ),
        st.sampled_from([identify, order]),
        st.sampled_from("abcdef"),
        st.integers(0, 4),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=12,
)


@given(statements, st.data())
def test_whatever_the_order_and_the_batches_the_same_addresses_are_kept(
    events: list[Event], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))
    whole = folded(events, most=2)

    assert folded(shuffled, most=2) == whole
    assert contact.merge(folded(shuffled[:cut], most=2), folded(shuffled[cut:], most=2), most=2) == whole
    assert contact.merge(whole, whole, most=2) == whole


@given(statements)
def test_no_bound_drops_the_address_that_is_used(events: list[Event]) -> None:
    """Verified, or else the last that a fact or an identity names."""
    bounded, whole = folded(events, most=2), folded(events)
    best = [contact_points(points, {}, limit=20)[:1] for points in (bounded, whole)]
    if best[1] and best[1][0].verified:
        assert best[0] == best[1]
    kept = bounded.get("email", {})
    assert not events or max(whole["email"].values(), key=lambda one: one.rank) in kept.values()


def test_other_facts_name_an_address_too() -> None:
    assert used(event(CustomEvent(name="Asked"), address("x"), at=NOON)) == "x"
