"""Since when what an event states has been true."""

from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.changes import OrderReassigned
from shared.contracts.events import OrderPlaced, OrderRefunded
from shared.contracts.orders import Order, order_of
from shared.contracts.true_since import true_since
from tests.support.events import NOON, event

MOMENTS = st.one_of(st.none(), st.integers(-400, 400).map(lambda days: NOON + timedelta(days=days)))


@given(MOMENTS, MOMENTS)
def test_an_order_is_as_old_as_the_first_time_it_is_known_to_have_been_placed(
    placed_at: datetime | None, placed_before: datetime | None
) -> None:
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=1, placed_at=placed_at)
    since = true_since(event(body, at=NOON), placed_before=placed_before)
    assert since == min(filter(None, (NOON, placed_at, placed_before)))


def test_an_order_that_moves_has_been_its_new_customers_since_it_was_placed() -> None:
    placed = event(OrderPlaced(order_id="A-1", currency="USD", total_minor=1), at=NOON - timedelta(days=200))
    ann, ben = UUID(int=1), UUID(int=2)
    moved = OrderReassigned(
        from_profile=ann, from_order="A-1", to_profile=ben, to_order="A-1", mark=Order(), order=order_of(placed)
    )
    assert true_since(event(moved, at=NOON)) == placed.occurred_at


@given(MOMENTS)
def test_another_fact_is_true_since_it_happened_however_old_its_order_is(placed_before: datetime | None) -> None:
    body = OrderRefunded(order_id="A-1", refund_id="R-1", currency="USD", amount_minor=1)
    assert true_since(event(body, at=NOON), placed_before=placed_before) == NOON
