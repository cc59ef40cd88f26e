"""What Shopify's orders come to after they were edited, and what went back of them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.events import Item, OrderPlaced, OrderRefunded
from tests.support.webhooks import folded, refusal_of
from tests.unit.ingest.test_ingest_shopify import LINES, MINA, ORDER, REFUND, changed, deliver, events

CENTS = st.integers(0, 10**9)


def amount(minor: int) -> str:
    return str(Decimal(minor).scaleb(-2))


def paid_back(*amounts: int, status: str = "success", currency: str | None = "EUR") -> list[dict[str, Any]]:
    return [{"kind": "refund", "status": status, "amount": amount(one), "currency": currency} for one in amounts]


def bag(shop: int, shown: int | None = None, currency: str = "CHF") -> dict[str, Any]:
    found: dict[str, Any] = {"shop_money": {"amount": amount(shop), "currency_code": "EUR"}}
    if shown is not None:
        found["presentment_money"] = {"amount": amount(shown), "currency_code": currency}
    return found


def net_of(body: dict[str, Any]) -> int:
    return folded(events("orders/updated", body), "450001").net_minor


# Edited orders


@given(first=CENTS, now=CENTS, refunds=st.lists(st.integers(1, 10**9), max_size=3))
def test_an_edited_order_is_net_of_what_was_taken_out_and_of_what_went_back(
    first: int, now: int, refunds: list[int]
) -> None:
    """What Shopify says that an order comes to now is what it is, unless more went back than was taken out of it."""
    refund = {**REFUND, "transactions": paid_back(*refunds)}
    found = net_of(changed(total_price=amount(first), current_total_price=amount(now), refunds=[refund]))
    if now > first or sum(refunds) <= first - now:
        assert found == now
    else:
        assert found == first - sum(refunds) < now


@pytest.mark.parametrize(
    ("what", "first", "now", "refunds", "net"),
    [
        ("as it was ordered", 10000, 10000, [], 10000),
        ("a line taken out before it was paid", 10000, 6000, [], 6000),
        ("a line taken out, and its money given back", 10000, 6000, [4000], 6000),
        ("a line added", 10000, 13000, [], 13000),
        ("returned, and given back less a fee", 10000, 6000, [3500], 6000),
        ("given back out of goodwill", 10000, 10000, [500], 9500),
        ("all given back", 10000, 0, [10000], 0),
        ("more given back than was paid", 10000, 0, [10500], -500),
    ],
)
def test_what_becomes_of_an_order_by_its_two_totals(
    what: str, first: int, now: int, refunds: list[int], net: int
) -> None:
    refund = {**REFUND, "transactions": paid_back(*refunds)}
    body = changed(total_price=amount(first), current_total_price=amount(now), refunds=[refund])
    assert net_of(body) == net, what


def test_of_a_cancelled_order_the_total_stays_what_was_ordered() -> None:
    gone = changed(cancelled_at="2026-01-31T09:00:00+01:00", current_total_price="0.00")
    placed = events("orders/cancelled", gone)[0].body
    assert isinstance(placed, OrderPlaced)
    assert placed.total_minor == 5800


@pytest.mark.parametrize("field", ["total_price", "current_total_price"])
@pytest.mark.parametrize("value", ["a lot", "", "NaN", "Infinity"])
def test_a_total_that_is_no_amount_is_refused(field: str, value: str) -> None:
    body = changed(**{"current_total_price": "58.00", field: value})
    assert f"{field}: {value!r} is not an amount" in refusal_of(deliver("orders/updated", body))


def test_lines_are_as_they_are_after_the_edit_and_one_that_was_taken_out_is_none() -> None:
    fewer, gone = {**LINES[0], "current_quantity": 1}, {**LINES[1], "current_quantity": 0}
    placed = events("orders/updated", changed(line_items=[fewer, gone]))[0].body
    assert isinstance(placed, OrderPlaced)
    assert placed.items == (Item(sku="OOLONG-50", name="Oolong - 50 g", quantity=1, unit_price_minor=800),)


def test_a_sku_may_be_a_number_and_goods_may_be_weighed() -> None:
    line = {"sku": 4711, "name": "Loose", "quantity": 0.35, "price": "40.00"}
    placed = events("orders/updated", changed(line_items=[line]))[0].body
    assert isinstance(placed, OrderPlaced)
    assert placed.items == (
        Item(sku="4711", name="Loose", quantity=1, unit_price_minor=4000, exact_quantity=Decimal("0.35")),
    )


# Refunds


@given(statuses=st.lists(st.sampled_from(["success", "pending", "failure"]), min_size=1, max_size=4))
def test_a_refund_keeps_its_name_when_an_earlier_one_succeeds_later(statuses: list[str]) -> None:
    def refund(of: list[str]) -> dict[str, Any]:
        transactions = [one for n, status in enumerate(of) for one in paid_back(100 * (n + 1), status=status)]
        return changed(refunds=[{**REFUND, "transactions": transactions}])

    def named(of: list[str]) -> dict[str, int]:
        placed = events("orders/updated", refund(of))[0].body
        assert isinstance(placed, OrderPlaced)
        return {one.refund_id: one.amount_minor for one in placed.refunds}

    before, after = named(statuses), named(["success"] * len(statuses))
    assert before.items() <= after.items()
    assert sum(after.values()) == 100 * sum(range(1, len(statuses) + 1))


def test_a_snapshot_replaces_the_refunds_of_the_one_before() -> None:
    with_one = events("orders/updated", changed(refunds=[REFUND]))
    without = events("orders/updated", {**ORDER, "updated_at": "2026-01-31T12:00:00+01:00"}, "e-2")
    assert folded(with_one, "450001").refunded_minor == 3150
    assert folded([*with_one, *without], "450001").refunded_minor == 0


# Refunds in another currency than the order's

LINE = {"subtotal_set": bag(3000, 2790), "total_tax_set": bag(150, 140)}
IN_FRANCS: list[tuple[str, dict[str, Any], int]] = [
    ("taxes beside the price", {"refund_line_items": [LINE], "transactions": paid_back(2930, currency="CHF")}, 3150),
    ("taxes within the price", {"refund_line_items": [LINE], "transactions": paid_back(2790, currency="CHF")}, 3000),
    (
        "with its shipping and duties",
        {
            "refund_line_items": [LINE],
            "refund_shipping_lines": [{"subtotal_amount_set": bag(500, 465), "tax_amount_set": bag(0, 0)}],
            "duties": [{"duty_id": 1, "amount_set": bag(200, 186)}],
            "transactions": paid_back(3581, currency="CHF"),
        },
        3850,
    ),
    (
        "shipping as an adjustment, and by two ways",
        {
            "order_adjustments": [{"amount_set": bag(-500, -465), "tax_amount_set": bag(-50, -47)}],
            "transactions": paid_back(400, 112, currency="CHF"),
        },
        550,
    ),
]


@pytest.mark.parametrize(("what", "parts", "minor"), IN_FRANCS, ids=[what for what, _, _ in IN_FRANCS])
def test_a_refund_in_another_currency_is_what_it_comes_to_in_the_shops(
    what: str, parts: dict[str, Any], minor: int
) -> None:
    refund = {**REFUND, **parts}
    [alone] = events("refunds/create", refund, owner=MINA)
    assert alone.body == OrderRefunded(order_id="450001", refund_id="9001", currency="EUR", amount_minor=minor), what
    within = events("orders/updated", changed(refunds=[refund]))
    assert folded(within, "450001").refunded_minor == folded([*within, alone], "450001").refunded_minor == minor


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"refund_line_items": [{"subtotal_set": bag(3000, 2790)}]},  # comes to less than was paid back
        {"refund_line_items": [{"subtotal_set": bag(3150)}]},  # does not say what it is of
        {"refund_line_items": [{"subtotal_set": bag(3150, 2930, currency="SEK")}]},
    ],
)
def test_one_that_does_not_say_what_it_comes_to_waits_with_the_reason(parts: dict[str, Any]) -> None:
    refund = {**REFUND, "transactions": paid_back(2930, currency="CHF"), **parts}
    done = deliver("orders/updated", changed(refunds=[refund]))
    assert refusal_of(done).startswith("refunds.transactions: not in EUR, which the order is in")
