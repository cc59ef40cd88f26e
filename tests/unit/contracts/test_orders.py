"""What the facts about one order add up to: merging is a join, and money is counted once."""

from functools import reduce

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
    OrderRefunded,
    OrderShipped,
)
from shared.contracts.orders import Order, merge, order_id, order_of
from tests.support.events import NOON, days, event
from tests.unit.contracts.strategies import believed_or_claimed, order_facts, sets_of

facts_of_one = sets_of(believed_or_claimed(order_facts), max_size=8)


def known(*events: Event) -> Order:
    """What these events say together."""
    return reduce(merge, map(order_of, events), Order())


def placed(total_minor: int = 100_00, **changes: object) -> Event:
    """An order in USD."""
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=total_minor)
    return event(body, **changes)  # type: ignore[arg-type] # the helper checks its own names


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


def test_cancelled_beats_placed_in_any_order() -> None:
    cancelled = event(OrderCancelled(order_id="A-1"), at=NOON - days(1))

    for order in (known(placed(), cancelled), known(cancelled, placed())):
        assert not order.counts
        assert order.net_minor == 0


def test_refunds_with_one_refund_id_count_once_by_the_greatest_stamp() -> None:
    first, corrected = event(refund(10_00)), event(refund(15_00), at=NOON + days(1))

    assert known(placed(), first, corrected).refunded_minor == 15_00
    assert known(placed(), corrected, first).refunded_minor == 15_00


def test_refunds_with_different_ids_add_up() -> None:
    assert known(placed(), event(refund(10_00, "R-1")), event(refund(15_00, "R-2"))).net_minor == 75_00


def test_a_refund_in_another_currency_is_ignored() -> None:
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
