"""WooCommerce's webhooks, from the payload to the typed events. The payloads are ours, after its published shapes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats.webhooks import woocommerce
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import Event
from shared.contracts.events import (
    CustomerIdentified,
    Item,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
)
from shared.contracts.identity import Identity, Namespace
from shared.contracts.orders import Order
from tests.support.webhooks import NOW, delivery, events_of, folded, refusal_of, source, spoiled, taken
from tests.unit.ingest.test_ingest_normalise import JSON

SHOP = source("woocommerce")
PLACED = datetime(2026, 1, 29, 18, 30, tzinfo=UTC)
BILLING: dict[str, Any] = {
    "first_name": "Tomás",
    "last_name": "Ruiz",
    "email": "Tomas.Ruiz@example.com",
    "phone": "612 34 56 78",
    "city": "Sevilla",
    "country": "ES",
}
LINES: list[dict[str, Any]] = [
    {"id": 11, "name": "Sencha, 100 g", "product_id": 501, "variation_id": 0, "quantity": 3, "sku": "SENCHA-100",
     "subtotal": "30.00", "total": "25.00", "total_tax": "2.50", "price": 8.333333333333334},
    {"id": 12, "name": "Teapot", "product_id": 502, "variation_id": 5021, "quantity": 1, "sku": "",
     "subtotal": "45.00", "total": "45.00", "total_tax": "9.45", "price": 45},
]  # fmt: skip
ORDER: dict[str, Any] = {
    "id": 7300,
    "number": "7300",
    "status": "processing",
    "currency": "EUR",
    "date_created": "2026-01-29T19:30:00",
    "date_created_gmt": "2026-01-29T18:30:00",
    "date_modified": "2026-01-29T19:31:00",
    "date_modified_gmt": "2026-01-29T18:31:00",
    "discount_total": "5.00",
    "shipping_total": "4.00",
    "total_tax": "11.95",
    "total": "85.95",
    "customer_id": 88,
    "billing": BILLING,
    "line_items": LINES,
    "refunds": [],
}
CUSTOMER: dict[str, Any] = {
    "id": 88,
    "date_created_gmt": "2025-06-01T08:00:00",
    "date_modified_gmt": "2026-01-29T18:00:00",
    "email": "tomas.ruiz@example.com",
    "first_name": "Tomás",
    "last_name": "",
    "role": "customer",
    "billing": BILLING,
}
REFUNDS = [{"id": 7301, "reason": "a crack", "total": "-45.00"}, {"id": 7302, "reason": "", "total": "-0.95"}]
PAYLOADS = {"order.deleted": {"id": 7300}, "customer.created": CUSTOMER, "customer.updated": CUSTOMER}
TOMAS = (
    Identity(Namespace.USER_ID, "88"),
    Identity(Namespace.EMAIL, "tomas.ruiz@example.com"),
    Identity(Namespace.PHONE, "+34612345678"),
)


def deliver(topic: str, body: Any, delivery_id: str = "d-1", owner: tuple[Identity, ...] = ()) -> TriageResult:
    headers = {"x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": delivery_id}
    return taken(delivery(body, headers), SHOP, owners={"7300": owner} if owner else {})


def events(topic: str, body: Any, delivery_id: str = "d-1") -> list[Event]:
    return events_of(deliver(topic, body, delivery_id))


def changed(**changes: Any) -> dict[str, Any]:
    return {**ORDER, "date_modified_gmt": "2026-01-30T07:00:00", **changes}


@pytest.mark.parametrize("topic", ["order.created", "order.updated", "order.restored"])
def test_an_order_has_what_is_paid_and_its_lines_after_their_discounts(topic: str) -> None:
    [placed] = events(topic, ORDER)
    assert placed.body == OrderPlaced(
        order_id="7300",
        currency="EUR",
        total_minor=8595,
        items=(
            Item(sku="SENCHA-100", name="Sencha, 100 g", quantity=3, unit_price_minor=833, total_minor=2500),
            Item(sku="5021", name="Teapot", quantity=1, unit_price_minor=4500),
        ),
        placed_at=PLACED,
        state="placed",
        whole=True,
    )
    assert placed.identities == TOMAS


def test_times_without_a_zone_are_utc_and_those_of_the_shops_own_clock_are_not_read() -> None:
    [placed] = events("order.created", ORDER)
    assert placed.occurred_at == datetime(2026, 1, 29, 18, 31, tzinfo=UTC)
    [by_its_own] = events("order.created", {**ORDER, "date_created_gmt": None, "date_modified_gmt": None})
    assert (by_its_own.occurred_at, by_its_own.stated_at) == (NOW, None)
    [event] = events("order.created", {**ORDER, "date_created_gmt": "2026-01-29T18:30:00Z"})
    assert event.body == placed.body


def test_of_an_updated_order_the_later_word_counts_and_its_time_stays_that_of_the_order() -> None:
    first = events("order.created", ORDER)
    later = events("order.updated", changed(total="35.95", line_items=LINES[:1]), "d-2")
    for found in (first + later, later + first):
        order = folded(found, "7300")
        assert (order.net_minor, order.placed_at) == (3595, PLACED)
    assert later[0].occurred_at == datetime(2026, 1, 30, 7, tzinfo=UTC)


def test_refunds_are_negative_there_and_positive_here_and_count_once() -> None:
    found = events("order.updated", changed(status="processing", refunds=REFUNDS))
    assert [one.body for one in found[1:]] == [
        OrderRefunded(order_id="7300", refund_id="7301", currency="EUR", amount_minor=4500, in_snapshot=True),
        OrderRefunded(order_id="7300", refund_id="7302", currency="EUR", amount_minor=95, in_snapshot=True),
    ]
    again = events("order.updated", changed(status="refunded", refunds=REFUNDS), "d-2")
    order = folded(found + again, "7300")
    assert (order.refunded_minor, order.net_minor) == (4595, 4000)


def test_a_completed_order_was_sent_and_one_on_hold_is_an_order() -> None:
    placed, shipped = events("order.updated", changed(status="completed"))
    assert shipped.body == OrderShipped(order_id="7300")
    assert shipped.identities == placed.identities == TOMAS
    assert [type(one.body) for one in events("order.created", {**ORDER, "status": "on-hold"})] == [OrderPlaced]


def test_a_draft_without_lines_is_ignored() -> None:
    done = deliver("order.created", {**ORDER, "status": "auto-draft", "line_items": []})
    assert (done.accepted, done.ignored) == ([], ["order.created: no fact in it"])


def test_an_order_that_is_paid_at_the_second_attempt_counts() -> None:
    failed = events("order.updated", changed(status="failed"))
    assert folded(failed, "7300").net_minor == 0
    later = events("order.updated", changed(date_modified_gmt="2026-01-30T08:00:00"), "d-2")
    assert folded([*failed, *later], "7300").net_minor == 8595


@pytest.mark.parametrize("status", ["cancelled", "trash"])
def test_an_order_that_is_gone_no_longer_counts_and_says_why(status: str) -> None:
    placed, gone = events("order.updated", changed(status=status), "d-2")
    assert gone.body == OrderCancelled(order_id="7300", reason=status, in_snapshot=True)
    assert gone.identities == placed.identities == TOMAS
    assert folded([*events("order.created", ORDER), placed, gone], "7300").net_minor == 0


def test_a_deleted_order_says_its_id_alone_and_its_owner_is_looked_up() -> None:
    assert refusal_of(deliver("order.deleted", {"id": 7300})).startswith("identity: nobody is named")
    [gone] = events_of(deliver("order.deleted", {"id": 7300}, owner=TOMAS))
    assert gone.body == OrderCancelled(order_id="7300", reason="deleted")
    assert (gone.identities, gone.occurred_at) == (TOMAS, NOW)


@pytest.mark.parametrize("customer_id", [0, "0", None, ""])
def test_a_guest_is_known_by_the_address_of_the_bill(customer_id: Any) -> None:
    [placed] = events("order.created", {**ORDER, "customer_id": customer_id})
    assert placed.identities == TOMAS[1:]


def test_a_national_number_is_read_by_the_country_that_is_sent_to_where_the_bill_has_none() -> None:
    billing = {**BILLING, "country": ""}
    [placed] = events("order.created", {**ORDER, "billing": billing, "shipping": {"country": "ES"}})
    [identified] = events("customer.updated", {**CUSTOMER, "billing": billing, "shipping": {"country": "ES"}})
    assert placed.identities == identified.identities == TOMAS
    odds: list[Any] = [{"country": ""}, {"country": 34}, [], None]
    for odd in odds:
        [unknown] = events("order.created", {**ORDER, "billing": billing, "shipping": odd})
        assert unknown.identities == TOMAS[:2]


def test_a_guest_without_an_address_names_nobody() -> None:
    done = deliver("order.created", {**ORDER, "customer_id": 0, "billing": None})
    assert (done.accepted, done.refused) == ([], [])
    assert done.ignored == ["order.created: an order of nobody known"]


def test_a_customer_has_traits_of_the_account_before_those_of_the_bill_and_no_consent() -> None:
    [event] = events("customer.updated", CUSTOMER)
    assert event.body == CustomerIdentified(
        traits={
            "email": "tomas.ruiz@example.com",
            "phone": "+34612345678",
            "first_name": "Tomás",
            "last_name": "Ruiz",
            "country": "ES",
            "city": "Sevilla",
        }
    )
    assert (event.identities, event.occurred_at) == (TOMAS, datetime(2026, 1, 29, 18, tzinfo=UTC))
    [new] = events("customer.created", {"id": 89, "email": "new@example.com"})
    assert new.body == CustomerIdentified(traits={"email": "new@example.com"})


def test_an_unsupported_topic_and_the_trial_of_a_new_webhook_are_ignored_and_say_why() -> None:
    for topic, body, why in (
        ("product.updated", {"id": 501}, "topic product.updated"),
        ("action.woocommerce_add_to_cart", {"action": "x", "arg": "y"}, "topic action.woocommerce_add_to_cart"),
        ("customer.deleted", {"id": 88}, "topic customer.deleted"),
        ("", b"webhook_id=17", "topic (none)"),
    ):
        done = deliver(topic, body)
        assert (done.accepted, done.refused, done.ignored) == ([], [], [why])


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "5000", 5000), ("JPY", "5000.00", 5000), ("KWD", "12.345", 12345)]
)
def test_money_is_in_its_currencys_own_units(currency: str, amount: str, minor: int) -> None:
    line = {**LINES[1], "total": amount}
    refund = {"id": 1, "total": f"-{amount}"}
    placed, refunded = events(
        "order.created", {**ORDER, "currency": currency, "total": amount, "line_items": [line], "refunds": [refund]}
    )
    assert isinstance(placed.body, OrderPlaced)
    assert isinstance(refunded.body, OrderRefunded)
    assert placed.body.total_minor == placed.body.items[0].unit_price_minor == refunded.body.amount_minor == minor


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total": "free"}, "properties of 'Order Completed': Invalid decimal"),
        ({"total": "85.955"}, "properties.total: more decimals than EUR has (2)"),
        ({"currency": ""}, "currency: required"),
        ({"id": ""}, "order_id: required"),
        ({"date_created_gmt": "29.01.2026 18:30"}, "properties.placed_at: not a time with a zone"),
        (
            {"line_items": [{**LINES[0], "quantity": "few"}]},
            "body: Invalid decimal string",
        ),
        ({"refunds": [{"id": 1, "total": "some"}]}, "refunds.total: 'some' is not an amount"),
        ({"refunds": [{"id": 1}]}, "refunds.total: None is not an amount"),
    ],
)
def test_an_order_that_is_not_right_is_refused_with_the_place(changes: dict[str, Any], reason: str) -> None:
    assert refusal_of(deliver("order.created", {**ORDER, **changes})).startswith(reason)


def test_an_order_with_one_bad_refund_waits_as_a_whole_and_only_its_good_refunds_are_on_the_timeline() -> None:
    done = deliver("order.updated", changed(refunds=[{"id": 1, "total": "-0.001"}, REFUNDS[1]]))
    assert [one.error.text[:36] for one in done.refused] == ["$order.refunds.total: more decimals "]
    assert [type(one.body) for one in done.events] == [OrderRefunded]
    assert folded(done.events, "7300") == Order()


def test_a_signed_body_is_the_same_events_under_whatever_unsigned_headers_it_comes() -> None:
    body = changed(status="completed", refunds=REFUNDS)
    once = deliver("order.updated", body).event_ids
    assert len(set(once)) == 4
    for topic in ("order.updated", "order.created", "order.restored"):
        assert deliver(topic, body, f"another of {topic}").event_ids == once
    again = deliver("order.updated", {**body, "number": "7300-2"}).event_ids
    assert len({*once} & {*again}) == 3  # refunds and parcel are the same, the word on the order is another


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("order.deleted", ORDER),
        ("order.deleted", CUSTOMER),
        ("order.created", CUSTOMER),
        ("order.created", {"id": 7300}),
        ("order.created", {**ORDER, "billing_period": "month"}),
        ("customer.updated", ORDER),
        ("customer.updated", {"id": 88}),
        ("customer.updated", {"id": 501, "name": "Sencha", "status": "publish", "permalink": "x", "billing": {}}),
    ],
    ids=repr,
)
def test_a_body_under_the_topic_of_another_resource_is_refused(topic: str, body: Any) -> None:
    """Captured once, an order could be sent again as its own deletion."""
    refused = deliver(topic, body, owner=TOMAS)
    assert refusal_of(refused).startswith(f"X-WC-Webhook-Topic: {topic!r} is about ")


def test_orders_that_change_in_the_same_second_share_a_delivery_id_and_stay_apart() -> None:
    ids = [one for order_id in range(3) for one in deliver("order.updated", {**ORDER, "id": order_id + 1}).event_ids]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("topic", sorted(woocommerce._TOPICS))
@given(data=st.data())
def test_any_json_of_any_topic_gives_events_is_ignored_or_is_refused(topic: str, data: st.DataObject) -> None:
    body = data.draw(JSON | spoiled(PAYLOADS.get(topic, {**ORDER, "refunds": REFUNDS}), JSON))
    done = deliver(topic, json.dumps(body).encode())
    assert done.accepted or done.refused or done.ignored
    assert deliver(topic, json.dumps(body).encode()).event_ids == done.event_ids


@given(body=st.binary())
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    assert deliver("order.created", body).refused
