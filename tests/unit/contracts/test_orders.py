"""What the facts about one order add up to: merging is a join, and money is counted once."""

import itertools
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import (
    Body,
    CustomEvent,
    Item,
    OrderCancelled,
    OrderDelivered,
    OrderPlaced,
    OrderRefund,
    OrderRefunded,
    OrderShipped,
    PageViewed,
)
from shared.contracts.orders import Order, merge, order_id, order_key, order_of, split_key
from tests.support.events import NOON, days, event
from tests.unit.contracts.strategies import believed_or_claimed, order_facts, sets_of

facts_of_one = sets_of(believed_or_claimed(order_facts), max_size=8)


def known(*events: Event) -> Order:
    """What these events say together."""
    return reduce(merge, map(order_of, events), Order())


def placed(total_minor: int = 100_00, **changes: Any) -> Event:
    """An order in USD."""
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=total_minor)
    return event(body, **changes)


def refund(amount_minor: int, refund_id: str = "R-1", currency: str = "USD") -> OrderRefunded:
    """A refund of the order."""
    return OrderRefunded(order_id="A-1", refund_id=refund_id, currency=currency, amount_minor=amount_minor)


@given(facts_of_one, facts_of_one, facts_of_one)
def test_merge_commutes_associates_and_is_idempotent(a: list[Event], b: list[Event], c: list[Event]) -> None:
    one, other, third = known(*a), known(*b), known(*c)

    assert merge(one, other) == merge(other, one)
    assert merge(merge(one, other), third) == merge(one, merge(other, third))
    assert merge(one, one) == one
    assert merge(merge(one, other), other) == merge(one, other)
    assert merge(one, Order()) == merge(Order(), one) == one


@given(facts_of_one, st.data())
def test_any_order_and_any_repetition_of_the_facts_gives_the_same_order(
    facts: list[Event], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(facts), max_size=5)) if facts else []

    assert known(*data.draw(st.permutations([*facts, *repeated]))) == known(*facts)


@given(facts_of_one)
def test_margin_is_known_only_where_an_order_counts_and_never_exceeds_what_was_paid(facts: list[Event]) -> None:
    order = known(*facts)

    if order.margin_minor is not None:
        assert order.counts
        assert order.margin_minor <= order.net_minor
    if not order.counts:
        assert order.net_minor == 0


def test_a_refund_that_arrives_before_its_order_counts_once_the_order_is_there() -> None:
    early = event(refund(30_00))

    assert known(early).net_minor == 0
    assert known(early, placed()).net_minor == 70_00


def test_the_same_order_told_by_two_sources_counts_once_and_the_more_trusted_word_stands() -> None:
    shop = placed(100_00, source_kind=SourceKind.SERVICE)
    till = placed(90_00, source_kind=SourceKind.SERVER, at=NOON + days(1))

    assert known(shop, till).net_minor == known(till, shop).net_minor == 100_00


def test_the_same_order_without_known_costs_heard_twice_is_one_order() -> None:
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=100_00)
    placed = event(body)
    again = Event(**{name: getattr(placed, name) for name in placed.__struct_fields__})

    assert merge(order_of(placed), order_of(again)) == order_of(placed)


def test_of_two_equally_trusted_words_the_later_stands() -> None:
    assert known(placed(100_00), placed(80_00, at=NOON + days(1))).net_minor == 80_00


def test_cancelled_beats_a_statement_that_says_nothing_of_it_in_any_order() -> None:
    cancelled = event(OrderCancelled(order_id="A-1"), at=NOON - days(1))
    stated = event(OrderPlaced(order_id="A-1", currency="USD", total_minor=1, state="unsaid"))

    for order in (known(stated, cancelled), known(cancelled, stated)):
        assert not order.counts
        assert order.net_minor == 0


def test_refunds_with_one_refund_id_count_once_by_the_greatest_stamp() -> None:
    first, corrected = event(refund(10_00)), event(refund(15_00), at=NOON + days(1))

    assert known(placed(), first, corrected).refunded_minor == 15_00
    assert known(placed(), corrected, first).refunded_minor == 15_00


def test_refunds_with_different_ids_add_up() -> None:
    assert known(placed(), event(refund(10_00, "R-1")), event(refund(15_00, "R-2"))).net_minor == 75_00


def test_a_refund_in_another_currency_takes_nothing_off() -> None:
    assert known(placed(), event(refund(10_00, currency="CNY"))).net_minor == 100_00


def test_margin_needs_the_cost_of_every_line() -> None:
    costed = Item(sku="tea", quantity=2, unit_price_minor=10_00, unit_cost_minor=4_00)
    uncosted = Item(sku="cup", quantity=1, unit_price_minor=5_00)

    def margin(*items: Item) -> int | None:
        body = OrderPlaced(order_id="A-1", currency="USD", total_minor=25_00, items=items)
        return known(event(body)).margin_minor

    assert margin(costed) == 17_00
    assert margin(costed, uncosted) is None
    assert margin() is None


def test_a_claim_says_nothing_of_an_order() -> None:
    assert order_of(placed(source_kind=SourceKind.PUBLIC, unverified=True)) == Order()


def test_only_facts_about_orders_name_an_order() -> None:
    about: list[Body] = [
        OrderPlaced(order_id="A-1", currency="USD", total_minor=1),
        OrderCancelled(order_id="A-1"),
        refund(1),
        OrderShipped(order_id="A-1"),
        OrderDelivered(order_id="A-1"),
    ]

    assert [order_id(body) for body in about] == ["A-1"] * 5
    assert order_id(CustomEvent(name="Waved")) is None
    assert order_of(event(CustomEvent(name="Waved"))) == Order()


def snapshot(
    total_minor: int,
    *refunds: tuple[str, int],
    state: Literal["placed", "cancelled", "pending", "unsaid"] = "placed",
    **changes: Any,
) -> Event:
    """A source's whole word on the order."""
    body = OrderPlaced(
        order_id="A-1",
        currency="USD",
        total_minor=total_minor,
        state=state,
        whole=True,
        refunds=tuple(OrderRefund(refund_id=one, amount_minor=amount) for one, amount in refunds),
    )
    return event(body, **changes)


def every_order(*facts: Event) -> list[Order]:
    """What these add up to, in each order in which they may come."""
    return [known(*some) for some in itertools.permutations(facts)]


def kept(total_minor: int = 100_00, **changes: Any) -> Event:
    """An order of which its source says that it stands."""
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=total_minor, state="placed")
    return event(body, **changes)


def test_an_order_that_was_cancelled_and_paid_in_the_end_counts_again() -> None:
    cancelled = event(OrderCancelled(order_id="A-1"), at=NOON + days(1))

    assert all(not order.counts for order in every_order(kept(), cancelled))
    assert {order.net_minor for order in every_order(kept(), cancelled, kept(at=NOON + days(2)))} == {100_00}


def test_an_order_that_its_source_deleted_and_restored_counts_again() -> None:
    gone = snapshot(60_00, state="cancelled", at=NOON + days(1))
    back = snapshot(60_00, at=NOON + days(2))

    assert {order.net_minor for order in every_order(snapshot(60_00), gone)} == {0}
    assert {order.net_minor for order in every_order(snapshot(60_00), gone, back)} == {60_00}


def test_an_order_that_is_pending_does_not_count_until_it_is_placed() -> None:
    pending = snapshot(60_00, state="pending")

    assert not known(pending).counts
    assert {order.net_minor for order in every_order(pending, snapshot(60_00, at=NOON + days(1)))} == {60_00}


def test_a_snapshot_without_a_word_on_the_state_leaves_it_as_it_is() -> None:
    other = snapshot(60_00, ("R-1", 40_00), state="unsaid", at=NOON + days(2))
    cancelled = event(OrderCancelled(order_id="A-1"), at=NOON + days(1))

    assert {order.net_minor for order in every_order(snapshot(100_00), other)} == {20_00}
    assert {order.counts for order in every_order(snapshot(100_00), cancelled, other)} == {False}


def test_a_refund_that_is_gone_from_the_newest_snapshot_is_gone() -> None:
    facts = (
        snapshot(60_00),
        snapshot(60_00, ("R-1", 60_00), at=NOON + days(1)),
        snapshot(60_00, at=NOON + days(2)),
    )

    assert {(order.net_minor, order.refunded_minor) for order in every_order(*facts)} == {(60_00, 0)}


def test_a_refund_told_as_a_fact_and_in_a_snapshot_is_one_and_another_one_adds() -> None:
    facts = (snapshot(60_00, ("R-1", 20_00)), event(refund(20_00, "R-1")), event(refund(5_00, "R-2")))

    assert {order.refunded_minor for order in every_order(*facts)} == {25_00}


def test_a_full_refund_gives_back_what_is_left_of_the_total() -> None:
    everything = OrderRefunded(order_id="A-1", refund_id="all", currency="", amount_minor=0, full=True)

    for order in every_order(placed(100_00), event(refund(30_00)), event(everything)):
        assert (order.refunded_minor, order.net_minor) == (100_00, 0)


def test_of_two_words_of_one_moment_the_sources_own_version_decides_and_then_the_time_of_receipt() -> None:
    later = NOON + days(1)
    first, second = kept(100_00, received_at=later), kept(120_00, received_at=later + timedelta(milliseconds=1))
    versioned = kept(90_00, source_version=2, received_at=later)

    assert {order.net_minor for order in every_order(first, second)} == {120_00}
    assert {order.net_minor for order in every_order(first, second, versioned)} == {90_00}


def test_what_a_snapshot_says_of_an_order_that_has_moved_to_another_customer_is_void() -> None:
    mine = snapshot(60_00)
    moved = Order(left={mine.source_id: event(PageViewed(), at=NOON + days(1)).stamp})
    returned = snapshot(50_00, at=NOON + days(2))

    assert not merge(known(mine), moved).counts
    assert merge(known(mine, returned), moved).net_minor == 50_00


def payment(amount_minor: int, name: str = "P-1", order: str = "A-1", **changes: Any) -> Event:
    """What a payment provider says was paid."""
    body = OrderPlaced(
        order_id=order, currency="USD", total_minor=amount_minor, state="placed", payment_id=name, payment_refs=(name,)
    )
    return event(body, **changes)


def paid_back(amount_minor: int, name: str = "P-1", **fields: Any) -> Event:
    """What a payment provider says went back."""
    body = OrderRefunded(
        order_id="A-1",
        refund_id="re_1",
        currency="USD",
        amount_minor=amount_minor,
        payment_id=name,
        **fields,
    )
    return event(body, at=NOON + days(1))


def test_several_payments_of_one_order_add_up() -> None:
    for order in every_order(payment(30_00), payment(70_00, "P-2")):
        assert (order.counts, order.net_minor) == (True, 100_00)


def test_payments_and_their_refunds_count_only_where_no_shop_tells_the_order() -> None:
    shop = snapshot(100_00, ("9", 40_00))

    assert {order.net_minor for order in every_order(payment(100_00), paid_back(40_00))} == {60_00}
    assert {order.net_minor for order in every_order(payment(100_00), paid_back(40_00), shop)} == {60_00}
    assert not merge(known(payment(100_00)), Order(told="A-1")).counts


def test_a_hold_is_no_payment_and_what_was_captured_in_the_end_is() -> None:
    assert not known(payment(0)).counts
    assert {order.net_minor for order in every_order(payment(0), payment(70_00, at=NOON + days(1)))} == {70_00}


def test_what_went_back_in_all_and_one_by_one_is_counted_once_and_a_lost_dispute_beside_it() -> None:
    facts = (payment(100_00), paid_back(40_00), paid_back(40_00, in_all=True), paid_back(60_00, dispute=True))

    assert {order.net_minor for order in every_order(*facts)} == {0}


def test_cost_of_goods_by_weight_is_by_their_exact_quantity() -> None:
    cheese = Item(
        sku="cheese", quantity=1, exact_quantity=Decimal("0.35"), unit_price_minor=20_00, unit_cost_minor=10_00
    )
    order = known(event(OrderPlaced(order_id="A-1", currency="USD", total_minor=7_00, items=(cheese,))))

    assert order.margin_minor == 3_50


def test_an_order_of_a_space_is_another_than_that_of_the_common_one() -> None:
    assert order_key(placed()) == "A-1"
    assert order_key(placed(space="shop-a")) not in ("A-1", order_key(placed(space="shop-b")))
    assert split_key(order_key(placed(space="shop-a")) or "") == ("A-1", "shop-a")
    assert split_key("A-1") == ("A-1", "")


def test_a_refund_in_another_currency_counts_nowhere_and_is_shown() -> None:
    order = known(placed(), event(refund(92_00, currency="EUR")), event(refund(5_00, "R-2")))

    assert (order.net_minor, order.refunds_elsewhere) == (95_00, {"EUR": 92_00})
    assert known(event(refund(92_00, currency="EUR"))).refunds_elsewhere == {}


def test_a_statement_of_a_release_without_states_restores_what_was_cancelled_before_it_in_both_its_times() -> None:
    cancelled = event(OrderCancelled(order_id="A-1"), at=NOON)
    paid, of_the_same_delivery = placed(at=NOON + days(1)), placed(at=NOON + days(1), received_at=NOON - days(1))

    assert {order.counts for order in every_order(placed(at=NOON - days(1)), cancelled, paid)} == {True}
    assert {order.counts for order in every_order(cancelled, of_the_same_delivery)} == {False}
