"""Orders by the tracking API: states, changes, full refunds, goods by weight, lines in every shape that SDKs send."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadEvent
from shared.contracts import orders
from shared.contracts.events import Item, OrderPlaced, OrderRefunded
from shared.contracts.events.order_placed import OrderRefund
from tests.unit.ingest.test_ingest_normalise import refusal, tracked

ORDER: dict[str, Any] = {"order_id": "A-1", "currency": "EUR", "total": "14.00"}


def placed(event: str = "Order Completed", **more: Any) -> OrderPlaced:
    body = tracked(event, **{**ORDER, **more})
    assert isinstance(body, OrderPlaced)
    return body


def refunded(**properties: Any) -> OrderRefunded:
    body = tracked("Order Refunded", order_id="A-1", **properties)
    assert isinstance(body, OrderRefunded)
    return body


# States


def test_an_order_that_is_completed_stands_and_one_that_is_updated_stays_in_its_state() -> None:
    assert placed().state == "placed"
    assert placed("Order Updated") == OrderPlaced(order_id="A-1", currency="EUR", total_minor=1400, state="unsaid")


@pytest.mark.parametrize("event", ["Order Completed", "Order Updated"])
def test_whoever_sends_snapshots_says_so(event: str) -> None:
    word = {
        "state": "cancelled",
        "whole": True,
        "refunds": [{"refund_id": 7, "total": "4.00"}],
        "payment_refs": ["pi_1"],
    }
    assert placed(event, **{"$order": word}) == OrderPlaced(
        order_id="A-1",
        currency="EUR",
        total_minor=1400,
        state="cancelled",
        whole=True,
        refunds=(OrderRefund(refund_id="7", amount_minor=400),),
        payment_refs=("pi_1",),
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ({"state": "shipped"}, "properties of 'Order Completed': Invalid enum value 'shipped'"),
        ({"refunds": [{"refund_id": 1}]}, "properties of 'Order Completed': Object missing required field `total`"),
        ({"refunds": [{"refund_id": "", "total": 1}]}, "$order.refunds.refund_id: required"),
        ({"refunds": [{"refund_id": 1, "total": "0.001"}]}, "$order.refunds.total: more decimals"),
        ({"payment_refs": [str(n) for n in range(11)]}, "properties.$order.payment_refs: send at most 10"),
        ({"payment_id": "x" * 257}, "properties.$order.payment_id: 257 characters"),
    ],
)
def test_a_word_on_an_order_that_is_not_right_is_refused_with_the_place(word: dict[str, Any], reason: str) -> None:
    assert refusal("Order Completed", **ORDER, **{"$order": word}).startswith(reason)


# Refunds


def test_a_refund_without_an_amount_gives_back_what_was_not_given_back_yet() -> None:
    assert refunded(refund_id="R-1") == OrderRefunded(
        order_id="A-1", refund_id="R-1", currency="", amount_minor=0, full=True
    )
    assert refunded(currency="EUR").full


def test_a_refund_with_products_is_of_these_and_one_with_an_amount_of_that() -> None:
    lines = [{"sku": "T", "price": "7.00", "quantity": 2}]
    assert (refunded(currency="EUR", products=lines).amount_minor, refunded(currency="EUR", products=lines).full) == (
        1400,
        False,
    )
    for name in ("total", "amount", "revenue"):
        body = refunded(currency="EUR", products=lines, **{name: "3.00"})
        assert (body.amount_minor, body.full) == (300, False)
    assert refusal("Order Refunded", order_id="A-1", total=3).startswith("currency: required")


# Lines


def test_lines_as_an_object_are_its_members() -> None:
    lines = {"3": {"sku": "T", "price": 7}, "17": {"sku": "U", "price": 7}}
    assert [item.sku for item in placed(products=lines).items] == ["T", "U"]


def test_a_line_without_a_price_is_kept_without_one_where_the_total_is_known() -> None:
    [item] = placed(products=[{"product_id": 70, "quantity": 2}]).items
    assert item == Item(sku="70", quantity=2, unit_price_minor=0, unpriced=True)
    without_total = {**ORDER, "total": None, "products": [{"product_id": 70}]}
    assert refusal("Checkout Started", **without_total).startswith("properties.products[0].price: required")


def test_a_numeric_sku_is_its_digits() -> None:
    [item] = placed(products=[{"sku": 4711, "price": 1}]).items
    assert item.sku == "4711"


@given(grams=st.integers(1, 999_999), price=st.integers(0, 10**7))
def test_goods_by_weight_are_exact_and_come_to_what_the_scale_says(grams: int, price: int) -> None:
    kilos = Decimal(grams).scaleb(-3)
    [item] = placed(products=[{"sku": "LOOSE", "price": str(Decimal(price).scaleb(-2)), "quantity": str(kilos)}]).items
    whole = kilos == kilos.to_integral_value()
    assert (item.quantity, item.exact_quantity) == ((int(kilos), None) if whole else (1, kilos))
    assert abs(Decimal(orders.line_minor(price, item)) - kilos * price) <= Decimal("0.5")


def test_a_line_of_nothing_and_its_total_do_not_divide_by_nought() -> None:
    [item] = placed(products=[{"sku": "T", "quantity": 0, "total": "0.00"}]).items
    assert (item.quantity, item.unit_price_minor) == (0, 0)


@given(quantity=st.decimals(allow_nan=True, allow_infinity=True))
def test_any_quantity_is_exact_or_refused(quantity: Decimal) -> None:
    why, found = "", quantity
    try:
        [item] = placed(products=[{"sku": "T", "price": 1, "quantity": str(quantity)}]).items
        found = Decimal(item.quantity) if item.exact_quantity is None else item.exact_quantity
    except BadEvent as error:
        why = error.text
    assert "quantity" in why or "Invalid decimal" in why if why else found == quantity
