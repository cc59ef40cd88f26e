"""What Stripe says of payments: what was captured, what went back, what a dispute took. And what is none of these."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced, OrderRefunded
from shared.contracts.orders import Order
from tests.support.webhooks import delivery, events_of, folded, taken
from tests.unit.ingest.test_ingest_stripe import CHARGE, NELE, PAID_SECONDS, REFUND, SHOP, wrapped

OWNERS = {"pi_tea1": NELE, "pi_tea2": NELE, "ch_tea1": NELE, "A-77": NELE}
HELD: dict[str, Any] = {**CHARGE, "captured": False, "amount_captured": 0}
DISPUTE: dict[str, Any] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 4250,
    "currency": "eur",
    "created": PAID_SECONDS + 7200,
    "charge": "ch_tea1",
    "payment_intent": "pi_tea1",
    "status": "needs_response",
    "metadata": {"order_id": "A-77"},
}


def told(type_: str, thing: Any, at: int = 1, **more: Any) -> list[Event]:
    """Returns the events of a delivery that was made this many seconds after the payment."""
    event = wrapped(type_, thing, f"evt_{type_}_{at}", created=PAID_SECONDS + at, **more)
    return events_of(taken(delivery(event, {}), SHOP, owners=OWNERS))


def ignored(type_: str, thing: Any, **more: Any) -> list[str]:
    done = taken(delivery(wrapped(type_, thing, **more), {}), SHOP, owners=OWNERS)
    assert (done.accepted, done.refused) == ([], [])
    return done.ignored


def order_of(*found: list[Event]) -> Order:
    return folded([event for events in found for event in events], "A-77")


# Captured


def test_what_is_held_is_nothing_until_it_is_captured_and_then_what_was_captured() -> None:
    assert ignored("charge.succeeded", HELD) == ["charge.succeeded: no fact in it"]
    captured = {**HELD, "captured": True, "amount_captured": 3000, "amount_refunded": 1250}
    for type_ in ("charge.captured", "charge.updated"):
        assert order_of(told(type_, captured, at=60)).net_minor == 3000


def test_a_hold_that_expires_or_is_released_was_never_paid() -> None:
    gone = {**HELD, "refunded": True, "amount_refunded": 4250}
    assert ignored("charge.expired", gone) == ["type charge.expired"]
    assert ignored("charge.refunded", gone) == ["charge.refunded: no fact in it"]
    assert ignored("charge.refunded", {**gone, "refunds": {"data": [REFUND]}}) == ["charge.refunded: no fact in it"]


@pytest.mark.parametrize("reason", ["expired_uncaptured_charge", "partial_capture"])
def test_a_release_of_what_was_held_is_no_refund(reason: str) -> None:
    released = {**REFUND, "amount": 1250, "reason": reason}
    assert ignored("refund.created", released) == ["refund.created: no fact in it"]
    captured = {**CHARGE, "amount_captured": 3000, "amount_refunded": 1250, "refunds": {"data": [released]}}
    assert ignored("charge.refunded", captured) == ["charge.refunded: no fact in it"]


@pytest.mark.parametrize("captured", [True, None])
def test_an_old_charge_that_says_no_amount_was_captured_whole(captured: bool | None) -> None:
    old = {name: value for name, value in CHARGE.items() if name not in ("captured", "amount_captured")}
    assert order_of(told("charge.succeeded", {**old, "captured": captured})).net_minor == 4250


@pytest.mark.parametrize("type_", ["charge.succeeded", "charge.refunded", "customer.created", "refund.created"])
def test_what_happens_in_test_mode_is_ignored_and_says_so(type_: str) -> None:
    assert ignored(type_, CHARGE, livemode=False) == [f"type {type_}: in test mode"]


# Several charges


@given(
    amounts=st.lists(st.integers(1, 10_000), min_size=1, max_size=4),
    shuffled=st.randoms(use_true_random=False),
)
def test_several_charges_of_one_order_add_up(amounts: list[int], shuffled: Any) -> None:
    found = []
    for n, amount in enumerate(amounts):
        names = {"id": f"ch_{n}", "payment_intent": f"pi_{n}", "created": PAID_SECONDS + n}
        found.append(told("charge.succeeded", {**CHARGE, **names, "amount": amount}, at=n))
        found.append(told("charge.updated", {**CHARGE, **names, "amount": amount}, at=100 + n))
    shuffled.shuffle(found)
    assert order_of(*found).net_minor == sum(amounts)


def test_several_captures_of_one_payment_are_what_was_captured_in_all() -> None:
    parts = [told("charge.captured", {**CHARGE, "amount_captured": so_far}, at=so_far) for so_far in (1000, 2500, 4000)]
    assert order_of(*parts).net_minor == order_of(*reversed(parts)).net_minor == 4000


# Refunded


@given(refunds=st.lists(st.integers(1, 1_000), min_size=1, max_size=4), data=st.data())
def test_one_refund_counts_once_whether_it_is_told_by_itself_or_in_the_sum_of_all(
    refunds: list[int], data: st.DataObject
) -> None:
    found = [told("charge.succeeded", CHARGE)]
    for n, amount in enumerate(refunds, 1):
        found.append(told("charge.refunded", {**CHARGE, "amount_refunded": sum(refunds[:n])}, at=10 * n))
        one = {**REFUND, "id": f"re_{n}", "amount": amount, "metadata": {"order_id": "A-77"}}
        found.append(told("refund.created", one, at=10 * n + 1))
    assert order_of(*data.draw(st.permutations(found))).refunded_minor == sum(refunds)


def test_the_sum_of_all_refunds_is_one_of_what_was_captured() -> None:
    charge = {**CHARGE, "amount_captured": 3000}
    paid = told("charge.captured", {**charge, "amount_refunded": 1250})
    back = told("charge.refunded", {**charge, "amount_refunded": 1250 + 500}, at=10)
    assert order_of(paid, back).net_minor == 2500


# Disputed


@pytest.mark.parametrize(
    ("story", "net"),
    [
        (["funds_withdrawn"], 0),
        (["funds_withdrawn", "funds_reinstated"], 4250),
        (["funds_withdrawn", "closed: lost"], 0),
        (["funds_withdrawn", "closed: won"], 4250),
        (["funds_withdrawn", "closed: won", "funds_reinstated"], 4250),
        (["funds_withdrawn", "funds_reinstated", "funds_withdrawn"], 0),
        (["closed: lost"], 0),
        (["closed: warning_closed"], 4250),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_dispute_takes_its_money_and_gives_it_back_if_it_is_won(story: list[str], net: int, backwards: bool) -> None:
    found = [told("charge.succeeded", CHARGE)]
    for n, step in enumerate(story, 1):
        type_, _, status = step.partition(": ")
        found.append(told(f"charge.dispute.{type_}", {**DISPUTE, "status": status or "under_review"}, at=7200 + 60 * n))
    assert order_of(*(reversed(found) if backwards else found)).net_minor == net


@pytest.mark.parametrize("status", ["needs_response", "under_review", "warning_needs_response"])
def test_a_dispute_that_is_not_decided_says_nothing_by_being_closed(status: str) -> None:
    assert ignored("charge.dispute.closed", {**DISPUTE, "status": status}) == ["charge.dispute.closed: no fact in it"]
    assert ignored("charge.dispute.created", DISPUTE) == ["type charge.dispute.created"]


def test_a_dispute_that_a_shop_does_not_name_is_of_its_payment() -> None:
    [event] = told("charge.dispute.funds_withdrawn", {**DISPUTE, "metadata": {}})
    assert isinstance(event.body, OrderRefunded)
    assert (event.body.order_id, event.body.payment_id, event.body.dispute) == ("pi_tea1", "pi_tea1", True)


# Of whom, and beside a shop that tells the order


def test_a_payment_of_nobody_is_ignored_with_the_reason() -> None:
    nobody = {**CHARGE, "customer": None, "billing_details": {"address": {"country": "DE"}}, "receipt_email": None}
    assert ignored("charge.succeeded", nobody) == ["charge.succeeded: a payment of nobody known"]


def test_what_is_paid_is_no_order_where_a_shop_tells_it() -> None:
    [paid] = told("charge.succeeded", CHARGE)
    shops = paid.body
    assert isinstance(shops, OrderPlaced)
    placed = Event(
        event_id=paid.event_id,
        source_id="shop",
        source_kind=paid.source_kind,
        occurred_at=paid.occurred_at,
        received_at=paid.received_at,
        identities=paid.identities,
        body=OrderPlaced(order_id="A-77", currency="EUR", total_minor=9900, state="placed"),
    )
    back = told("charge.refunded", {**CHARGE, "amount_refunded": 1000}, at=10)
    order = order_of([placed], [paid], back)
    assert (order.net_minor, order.told_by_shop) == (9900, True)
