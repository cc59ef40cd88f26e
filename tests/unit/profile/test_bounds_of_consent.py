"""What consent is decided by has bounds: it stays a join, costs what it did, and makes no yes of a no."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import pairwise
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain import bounds, fold
from services.profile.domain.bounds import (
    MAX_JOINED,
    MAX_NAMES,
    MAX_PAIR_LENGTH,
    MAX_PAIRS,
    MAX_PUBLIC_REFUSALS,
    MAX_VERIFIED,
    MAX_VISITORS,
    MAX_VOUCHED,
)
from services.profile.domain.fold import EMPTY, LinkedIdentity, ProfileState, agreed, left_out, merge, state_of
from services.profile.domain.permission import OTHERS, Permission, Refusal
from services.profile.domain.standing import agreed as standing_of
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, ConsentChanged, CustomerIdentified
from shared.contracts.identity import Identity, Namespace
from tests.support.events import NOON, days, event, user
from tests.support.growth import LINEAR, exponent

ANN, MAIL = user("ann"), Identity(Namespace.EMAIL, "ann@example.com")
PUBLIC = SourceKind.PUBLIC


def device(value: object) -> Identity:
    return Identity(Namespace.ANONYMOUS_ID, str(value))


def mail(value: object) -> Identity:
    return Identity(Namespace.EMAIL, f"{value}@example.com")


def consent(granted: bool, *named: Identity, to: str = "email", at: float = 0, kind: SourceKind | None = None) -> Event:
    channel, _, purpose = to.partition(":")
    body = ConsentChanged(channel=channel, purpose=purpose or "marketing", granted=granted)
    return event(body, *named, at=NOON + days(at), source_kind=kind or SourceKind.SERVER)


def vouched(*devices: Identity) -> list[LinkedIdentity]:
    return [LinkedIdentity("anonymous_id", one.value, vouched=True) for one in devices]


CUT = (
    "MAX_PUBLIC_REFUSALS",
    "MAX_VISITORS",
    "MAX_PAIRS",
    "MAX_NAMES",
    "MAX_VOUCHED",
    "MAX_VERIFIED",
    "MAX_JOINED",
)
small = st.fixed_dictionaries({name: st.sampled_from([1, 2, 3, 1_000]) for name in CUT})


@contextmanager
def bounded(most: Mapping[str, int]) -> Iterator[None]:
    with ExitStack() as stack:
        for name, value in most.items():
            stack.enter_context(patch.object(bounds, name, value))
        yield


names = st.sampled_from([Identity(namespace, value) for namespace in Namespace for value in "123"])
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        ConsentChanged,
        channel=st.sampled_from(["email", "sms"]),
        purpose=st.sampled_from(["marketing", "newsletter"]),
        granted=st.booleans(),
    ),
    st.builds(
        CustomerIdentified,
        traits=st.sampled_from([{}, {"email_verified": True}]),
        consent=st.dictionaries(st.sampled_from(["email", "sms", "email:newsletter"]), st.booleans(), max_size=2),
    ),
)
events = st.lists(
    st.builds(
        lambda body, named, at, late, kind, merges: event(
            body,
            *named,
            at=NOON + timedelta(hours=at),
            received_at=NOON + timedelta(hours=at + late),
            source_kind=kind,
            merges=merges,
        ),
        bodies,
        st.lists(names, min_size=1, max_size=3, unique=True),
        st.integers(0, 9),
        st.sampled_from([0, 0, 5]),
        st.sampled_from([SourceKind.SERVER, SourceKind.SERVER, SourceKind.PUBLIC]),
        st.sampled_from([False, False, True]),
    ),
    max_size=10,
)
linked = st.lists(
    st.builds(LinkedIdentity, st.just("anonymous_id"), st.sampled_from("123"), st.sampled_from([True, True, False]))
)


@given(events, events, linked, linked, small, st.data())
def test_within_bounds_any_order_and_any_batching_give_the_same_state(
    mine: list[Event],
    theirs: list[Event],
    my_own: list[LinkedIdentity],
    their_own: list[LinkedIdentity],
    most: dict[str, int],
    data: st.DataObject,
) -> None:
    with bounded(most):
        whole = fold.with_identities(fold.fold([*mine, *theirs]), [*my_own, *their_own])
        one = fold.with_identities(fold.fold(mine), my_own)
        other = fold.fold(theirs, onto=fold.with_identities(EMPTY, their_own))
        shuffled = data.draw(st.permutations([*mine, *theirs]))

        assert merge(one, other) == merge(other, one) == whole
        assert fold.with_identities(fold.fold(shuffled), [*their_own, *my_own]) == whole
        assert merge(whole, EMPTY) == merge(EMPTY, whole) == whole
        twice = merge(whole, whole)
        for part in ("permissions", "joined", "refusals", "verified", "vouched"):
            assert getattr(twice, part) == getattr(whole, part)


@given(events, linked, small)
def test_a_bound_makes_no_yes_where_there_is_none_without_it(
    events: list[Event], gained: list[LinkedIdentity], most: dict[str, int]
) -> None:
    everything = agreed(fold.with_identities(fold.fold(events), gained))
    with bounded(most):
        kept = agreed(fold.with_identities(fold.fold(events), gained))

    for pair, granted in kept.items():
        assert not granted or everything[pair] is True


def test_a_visitors_withdrawal_is_not_forgotten_for_those_that_follow() -> None:
    pairs = ["email", *(f"sms:p{number:02}" for number in range(MAX_PUBLIC_REFUSALS + 5))]
    agreed_to = [consent(True, MAIL, device("a"), to=pair) for pair in pairs]
    withdrawn = [consent(False, device("a"), to=pair, at=1 + n / 100, kind=PUBLIC) for n, pair in enumerate(pairs)]
    state = fold.with_identities(fold.fold([*agreed_to, *withdrawn]), vouched(device("a")))

    assert set(agreed(state).values()) == {False}
    assert len(state.refusals[str(device("a"))]) == MAX_PUBLIC_REFUSALS + 1
    again = fold.fold([consent(True, MAIL, device("a"), to=pairs[-1], at=2)], onto=state)
    assert [pair for pair, granted in agreed(again).items() if granted] == [pairs[-1]]


def test_what_more_visitors_withdraw_than_are_kept_is_withdrawn_of_those_whom_a_trusted_source_names() -> None:
    mine = device("z")
    strangers = [
        consent(False, device(f"a{n:03}"), at=1, kind=PUBLIC) for n in range(MAX_VISITORS)
    ]  # they are kept, the customer's own is not
    events = [consent(True, MAIL, mine), *strangers, consent(False, mine, at=1, kind=PUBLIC)]
    state = fold.fold(events)

    assert len(state.refusals) == MAX_VISITORS + 1
    assert agreed(state) == {"email": True}
    assert agreed(fold.with_identities(state, vouched(mine))) == {"email": False}
    assert agreed(fold.fold([consent(True, MAIL, at=2)], onto=fold.with_identities(state, vouched(mine)))) == {
        "email": True
    }


def test_visitors_beyond_those_that_are_kept_say_nothing_of_a_device_whose_user_was_known() -> None:
    flood = [consent(False, ANN, device(f"a{n:03}"), at=2, kind=PUBLIC) for n in range(MAX_VISITORS + 20)]
    state = fold.fold([consent(True, ANN, device("z")), *flood])

    assert agreed(fold.with_identities(state, vouched(device("z")))) == {"email": True}


def test_what_all_know_is_not_pushed_out_by_what_a_source_makes_up() -> None:
    state = fold.fold(consent(True, ANN, to=f"a{number:03}:b") for number in range(MAX_PAIRS + 20))
    state = fold.fold([consent(True, ANN), consent(True, ANN, to="sms")], onto=state)

    kept = agreed(state)
    assert len(kept) == MAX_PAIRS
    assert {"email", "sms", "a000:b"} <= kept.keys()
    assert "a119:b" not in kept  # what is not said is not agreed to
    assert "x" * MAX_PAIR_LENGTH in agreed(fold.fold([consent(True, ANN, to="x" * MAX_PAIR_LENGTH)]))
    assert not agreed(fold.fold([consent(True, ANN, to="x" * (MAX_PAIR_LENGTH + 1))]))


def test_devices_that_agree_do_not_push_out_the_customer_nor_take_a_yes_away() -> None:
    state = fold.fold(consent(True, ANN, device(number), at=number / 1000) for number in range(MAX_NAMES * 3))

    assert len(state.permissions) == MAX_NAMES
    assert str(ANN) in state.permissions
    assert agreed(state) == {"email": True}
    assert agreed(fold.fold([consent(False, ANN, at=1)], onto=state)) == {"email": False}


def test_where_more_have_withdrawn_than_are_kept_it_is_withdrawn_for_good() -> None:
    state = fold.fold(consent(False, mail(number)) for number in range(MAX_NAMES + 5))

    assert agreed(fold.fold([consent(True, mail(n), at=1) for n in range(MAX_NAMES)], onto=state)) == {"email": False}


def test_of_whom_too_much_is_told_no_word_is_anybody_elses_but_a_users_own_is() -> None:
    told = [event(CustomerIdentified(), ANN, device(number)) for number in range(MAX_JOINED + 10)]
    state = fold.fold([consent(False, MAIL), event(CustomerIdentified(), ANN, MAIL), consent(True, ANN, at=1)])
    assert agreed(state) == {"email": True}
    assert sum(map(len, fold.fold(told, onto=state).joined.values())) == MAX_JOINED
    assert agreed(fold.fold(told, onto=state)) == {"email": False}
    assert agreed(fold.fold([*told, consent(False, ANN), consent(True, ANN, at=1)])) == {"email": True}


def test_where_more_devices_are_a_customers_than_are_kept_the_no_of_any_counts() -> None:
    state = fold.fold([consent(True, ANN), consent(False, device("z"), at=1)])
    assert agreed(state) == {"email": True}
    many = fold.with_identities(state, vouched(*(device(f"a{number:04}") for number in range(MAX_VOUCHED + 5))))

    assert len(many.vouched) == MAX_VOUCHED
    assert agreed(many) == {"email": False}


def test_verified_addresses_have_a_bound() -> None:
    events = [event(CustomerIdentified(traits={"email_verified": True}), mail(number)) for number in range(1_050)]

    assert len(fold.fold(events).verified) == MAX_VERIFIED == 1_000


def test_what_was_agreed_to_is_told_before_what_was_not() -> None:
    mine = [device(number) for number in range(10)]
    withdrawn = [consent(False, one, to=f"email:p{n}{one.value}", kind=PUBLIC) for one in mine for n in range(15)]
    state = fold.with_identities(fold.fold([*withdrawn, consent(True, ANN, to="sms")]), vouched(*mine))

    assert len(fold.standing(state)) == 151
    told = fold.to_tell(state, limit=100)
    assert (str(told[0].pair), told[0].granted, len(told)) == ("sms", True, 100)


def test_what_goes_is_counted_whatever_it_is() -> None:
    for events, kept in (
        ([consent(True, ANN, to=f"p{number:03}") for number in range(130)], MAX_PAIRS),
        ([consent(False, device(number), kind=PUBLIC) for number in range(130)], MAX_VISITORS),
    ):
        state, gone = EMPTY, 0
        for one in events:
            before, added = state, state_of(one)
            state = merge(before, added)
            gone += left_out(one, before, state, added=added)
        assert gone == 130 - kept


def test_a_stored_state_of_before_there_were_these_bounds_is_read_and_means_the_same() -> None:
    stored = b"""
        {"first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-02T00:00:00Z", "events": 4,
         "consent": {"email": [[1, "2026-01-02T00:00:00Z", "00000000-0000-0000-0000-000000000000"], false]},
         "identities": {"anonymous_id": ["a"], "email": ["ann@example.com"]}, "vouched": ["a"],
         "permissions": {"email:ann@example.com": {"email": ["2026-01-01T00:00:00Z", null,
                                                             "00000000-0000-0000-0000-000000000001"]}},
         "joined": {"email:ann@example.com": {"anonymous_id:a": "2026-01-01T00:00:00Z"}},
         "refusals": {"anonymous_id:a": {"email": ["2026-01-02T00:00:00Z", "00000000-0000-0000-0000-000000000002",
                                                   "2026-01-02T00:00:00Z"]}},
         "verified": {}}
        """
    state = fold.current(msgspec.json.decode(stored, type=ProfileState))
    assert agreed(state) == {"email": False}
    assert agreed(fold.fold([consent(True, MAIL, at=300)], onto=state)) == {"email": True}
    assert fold.current(msgspec.json.decode(msgspec.json.encode(fold.stored(state)), type=ProfileState)) == state


FLOODS = {
    "pairs": lambda n: consent(True, ANN, to=f"p{n}"),
    "names": lambda n: consent(True, ANN, mail(n), device(n)),
    "withdrawals of names": lambda n: consent(False, mail(n)),
    "visitors": lambda n: consent(False, device(n), kind=PUBLIC),
    "pairs of a visitor": lambda n: consent(False, device(0), to=f"email:p{n}", kind=PUBLIC),
    "joined names": lambda n: event(CustomerIdentified(traits={"email_verified": True}), ANN, mail(n), device(n)),
}


@pytest.mark.parametrize("shape", FLOODS)
def test_one_more_word_of_consent_costs_the_same_whatever_was_said_before(shape: str) -> None:
    """The state is read and written after each twentieth event, as after a batch."""

    def work(events: list[Event]) -> None:
        state = fold.with_identities(EMPTY, vouched(device(0)))
        for number, one in enumerate(events):
            state = merge(state, state_of(one))
            if number % 20 == 0:
                msgspec.json.encode(fold.stored(state))

    with bounded(dict.fromkeys(CUT, 50)):  # reached at the least size
        assert (
            exponent(work, lambda size: [FLOODS[shape](n) for n in range(size)], sizes=(100, 200, 400, 800)) <= LINEAR
        )


def test_what_stands_is_found_in_linear_work() -> None:
    """Each name withdraws, and agrees later, at a time of its own, and all are told to be one customer's."""

    def made(size: int) -> ProfileState:
        names = [f"email:{number}@example.com" for number in range(size)]
        at = [NOON + timedelta(minutes=number) for number in range(size)]
        ids = [user(number).value for number in range(3)]
        return ProfileState(
            permissions={
                name: {"email": Permission(at[n] + days(1), at[n], *[event(CustomerIdentified()).event_id] * 2)}
                for n, name in enumerate(names)
            },
            joined={
                **{one: {two: at[n]} for n, (one, two) in enumerate(pairwise(names))},
                "user_id:1": {names[0]: NOON, "user_id:2": NOON + days(30)},
                "user_id:2": {names[0]: NOON},
            },
            refusals={
                f"anonymous_id:{n}": {"email": Refusal(at[n], event(CustomerIdentified()).event_id, at[n])}
                for n in range(size // 10)
            },
            vouched=tuple(sorted(map(str, range(size // 10)))),
            verified=dict(zip(names, at, strict=True)),
            identities={"user_id": tuple(ids)},
        )

    with bounded(dict.fromkeys(CUT, 1_000_000)):
        work = exponent(
            lambda one: standing_of(one.permissions, one.joined, one.vouched, one.refusals, one.verified),
            made,
            sizes=(250, 500, 1_000, 2_000),
        )
    assert work <= LINEAR
    assert OTHERS not in made(10).refusals
