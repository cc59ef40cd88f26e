"""What is read again from the record is what folding batch by batch, and merging, had made."""

import random
from collections import Counter
from functools import reduce
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain import fold
from services.profile.domain.fold import LinkedIdentity
from services.profile.domain.record import folded, stand_ins, verified_ids
from shared.contracts import orders
from shared.contracts.envelope import Event
from shared.contracts.identity import Namespace
from shared.contracts.orders import Order
from tests.unit.contracts.strategies import believed_or_claimed, sets_of

some_identities = st.lists(
    st.builds(LinkedIdentity, st.sampled_from(Namespace), st.sampled_from("abc"), st.booleans()), max_size=4
)


@given(sets_of(believed_or_claimed()), some_identities, some_identities, st.data())
def test_the_whole_is_the_merge_of_its_parts(
    events: list[Event], mine: list[LinkedIdentity], theirs: list[LinkedIdentity], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    whole = folded(data.draw(st.permutations(events)), [*mine, *theirs])
    one, other = folded(events[:cut], mine), folded(events[cut:], theirs)

    assert whole.state == fold.merge(one.state, other.state)
    assert whole.counts == dict(Counter(one.counts) + Counter(other.counts))
    assert whole.orders == {
        order_id: orders.merge(one.orders.get(order_id, Order()), other.orders.get(order_id, Order()))
        for order_id in {**one.orders, **other.orders}
    }


@given(st.lists(st.integers(0, 30), max_size=30), st.randoms(use_true_random=False))
def test_who_stands_for_whom_does_not_depend_on_the_order_of_merges(into: list[int], chance: random.Random) -> None:
    # Each number is merged into a smaller one, so there is no circle.
    merges = {UUID(int=n + 1): UUID(int=target % (n + 1)) for n, target in enumerate(into)}
    found = stand_ins(dict(sorted(merges.items(), key=lambda _: chance.random())))

    assert found == {loser: reduce(lambda one, _: merges.get(one, one), merges, loser) for loser in merges}


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=30))
def test_a_former_id_is_verified_if_every_merge_on_its_way_is(into: list[tuple[int, bool]]) -> None:
    merges = {UUID(int=n + 1): UUID(int=target % (n + 1)) for n, (target, _) in enumerate(into)}
    own = {UUID(int=n + 1): verified for n, (_, verified) in enumerate(into)}
    expected = dict(own)
    for loser in sorted(merges):
        expected[loser] = own[loser] and expected.get(merges[loser], True)

    assert verified_ids(merges, {loser for loser, verified in own.items() if verified}) == {
        loser for loser, verified in expected.items() if verified
    }
