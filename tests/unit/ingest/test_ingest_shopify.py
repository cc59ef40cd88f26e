"""Shopify's webhooks, from the payload to the typed events. The payloads are ours, after Shopify's published shapes."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats.webhooks import shopify
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import Event
from shared.contracts.events import (
    CustomerIdentified,
    Item,
    OrderCancelled,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
)
from shared.contracts.identity import Identity, Namespace
from tests.support.webhooks import delivery, events_of, folded, refusal_of, source, spoiled, taken
from tests.unit.ingest.test_ingest_normalise import JSON

SHOP = source("shopify")
PLACED = datetime(2026, 1, 30, 9, 15, tzinfo=UTC)
CUSTOMER: dict[str, Any] = {
    "id": 6101,
    "email": "Mina.Park@example.com",
    "phone": "+493012345678",
    "first_name": "Mina",
    "last_name": "Park",
    "created_at": "2025-11-02T08:00:00+01:00",
    "updated_at": "2026-01-30T10:15:00+01:00",
    "tags": "wholesale, tea club,",
    "email_marketing_consent": {"state": "subscribed", "opt_in_level": "single_opt_in"},
    "sms_marketing_consent": {"state": "not_subscribed"},
    "default_address": {"country_code": "DE", "city": "Leipzig", "phone": "+4934198765432"},
}
LINES: list[dict[str, Any]] = [
    {"id": 1, "sku": "OOLONG-50", "variant_id": 77, "product_id": 70, "title": "Oolong", "name": "Oolong - 50 g",
     "quantity": 3, "price": "8.00", "total_discount": "0.00",
     "discount_allocations": [{"amount": "2.40", "discount_application_index": 0}],
     "tax_lines": [{"title": "VAT", "rate": 0.07, "price": "1.41"}]},
    {"id": 2, "sku": "", "variant_id": 78, "product_id": 71, "title": "Gaiwan", "name": "Gaiwan", "quantity": 1,
     "price": "31.50", "discount_allocations": [], "tax_lines": [{"title": "VAT", "rate": 0.19, "price": "5.03"}]},
]  # fmt: skip
ORDER: dict[str, Any] = {
    "id": 450001,
    "currency": "EUR",
    "total_price": "58.00",
    "total_tax": "6.44",
    "created_at": "2026-01-30T10:15:02+01:00",
    "processed_at": "2026-01-30T10:15:00+01:00",
    "updated_at": "2026-01-30T10:15:03+01:00",
    "cancelled_at": None,
    "cancel_reason": None,
    "test": False,
    "email": "mina.park@example.com",
    "phone": None,
    "customer": CUSTOMER,
    "line_items": LINES,
    "refunds": [],
    "fulfillments": [],
}
REFUND: dict[str, Any] = {
    "id": 9001,
    "order_id": 450001,
    "created_at": "2026-01-31T11:00:00+01:00",
    "transactions": [
        {"id": 1, "kind": "refund", "status": "success", "amount": "31.50", "currency": "EUR"},
        {"id": 2, "kind": "refund", "status": "failure", "amount": "8.00", "currency": "EUR"},
        {"id": 3, "kind": "sale", "status": "success", "amount": "58.00", "currency": "EUR"},
    ],
}
FULFILLMENT: dict[str, Any] = {
    "id": 3001,
    "order_id": 450001,
    "status": "success",
    "shipment_status": None,
    "tracking_company": "DHL",
    "tracking_number": "JJD0001",
    "email": "mina.park@example.com",
    "created_at": "2026-01-30T16:00:00+01:00",
    "updated_at": "2026-01-30T16:00:00+01:00",
}
EMAIL_CONSENT: dict[str, Any] = {
    "customer_id": 6101,
    "email_address": "mina.park@example.com",
    "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": "2026-01-31T09:00:00+01:00"},
}
SMS_CONSENT: dict[str, Any] = {
    "id": 6101,
    "phone": "+493012345678",
    "sms_marketing_consent": {"state": "unsubscribed", "consent_updated_at": "2026-01-31T09:00:00+01:00"},
}
GONE: dict[str, Any] = {"id": 450001}
PAYLOADS = {"orders/create": ORDER, "refunds/create": REFUND, "fulfillments/create": FULFILLMENT,
            "customers/create": CUSTOMER, "orders/delete": GONE,
            "customers_email_marketing_consent/update": EMAIL_CONSENT,
            "customers_marketing_consent/update": SMS_CONSENT}  # fmt: skip
RESOURCES = {
    "orders": "Order",
    "refunds": "Refund",
    "fulfillments": "Fulfillment",
    "customers": "Customer",
    "customers_email_marketing_consent": "EmailConsent",
    "customers_marketing_consent": "SmsConsent",
}


def resource(topic: str) -> str:
    return shopify.DELETED if topic == "orders/delete" else RESOURCES[topic.split("/")[0]]


MINA = (
    Identity(Namespace.USER_ID, "6101"),
    Identity(Namespace.EMAIL, "mina.park@example.com"),
    Identity(Namespace.PHONE, "+493012345678"),
)


def deliver(topic: str, body: Any, event_id: str = "e-1", owner: tuple[Identity, ...] = ()) -> TriageResult:
    headers = {"x-shopify-topic": topic, "x-shopify-event-id": event_id, "x-shopify-webhook-id": f"w-{event_id}"}
    return taken(delivery(body, headers), SHOP, owners={"450001": owner} if owner else {})


def events(topic: str, body: Any, event_id: str = "e-1", owner: tuple[Identity, ...] = ()) -> list[Event]:
    return events_of(deliver(topic, body, event_id, owner))


def changed(**changes: Any) -> dict[str, Any]:
    return {**ORDER, "updated_at": "2026-01-31T09:00:00+01:00", **changes}


@pytest.mark.parametrize("topic", ["orders/create", "orders/updated", "orders/paid", "orders/fulfilled",
                                   "orders/partially_fulfilled"])  # fmt: skip
def test_an_order_has_what_is_paid_and_its_lines_after_their_discounts(topic: str) -> None:
    [placed] = events(topic, ORDER)
    assert placed.body == OrderPlaced(
        order_id="450001",
        currency="EUR",
        total_minor=5800,
        items=(
            Item(sku="OOLONG-50", name="Oolong - 50 g", quantity=3, unit_price_minor=800, total_minor=2160),
            Item(sku="78", name="Gaiwan", quantity=1, unit_price_minor=3150),
        ),
        placed_at=PLACED,
        state="placed",
        whole=True,
    )
    assert placed.identities == MINA


def test_a_discount_on_a_whole_line_leaves_nothing_of_it_and_one_that_is_no_amount_is_refused() -> None:
    free = {**LINES[1], "discount_allocations": [{"amount": "30.00"}, {"amount": "1.50"}]}
    [placed] = events("orders/create", {**ORDER, "line_items": [free]})
    assert isinstance(placed.body, OrderPlaced)
    assert placed.body.items == (Item(sku="78", name="Gaiwan", quantity=1, unit_price_minor=3150, total_minor=0),)
    broken = {**LINES[1], "discount_allocations": [{"amount": "some"}]}
    assert "a discount: 'some' is not an amount" in refusal_of(
        deliver("orders/create", {**ORDER, "line_items": [broken]})
    )


def test_of_an_updated_order_the_later_word_counts_and_its_time_stays_that_of_the_order() -> None:
    first = events("orders/create", ORDER)
    later = events("orders/updated", changed(total_price="49.60", line_items=LINES[:1]), "e-2")
    for found in (first + later, later + first):
        order = folded(found, "450001")
        assert (order.net_minor, order.placed_at) == (4960, PLACED)
    assert later[0].occurred_at == datetime(2026, 1, 31, 8, tzinfo=UTC)


def test_a_cancelled_order_no_longer_counts_and_says_why() -> None:
    gone = changed(cancelled_at="2026-01-31T08:59:00+01:00", cancel_reason="customer")
    placed, cancelled = events("orders/cancelled", gone)
    assert cancelled.body == OrderCancelled(order_id="450001", reason="customer", in_snapshot=True)
    assert cancelled.occurred_at == datetime(2026, 1, 31, 7, 59, tzinfo=UTC)
    assert cancelled.identities == placed.identities == MINA
    assert folded([placed, cancelled], "450001").net_minor == 0


def test_a_refund_comes_with_its_order_or_by_itself_and_counts_once() -> None:
    within = events("orders/updated", changed(refunds=[REFUND]))
    alone = events("refunds/create", REFUND, "e-2", MINA)
    body = OrderRefunded(order_id="450001", refund_id="9001", currency="EUR", amount_minor=3150)
    assert [within[1].body, alone[0].body] == [msgspec.structs.replace(body, in_snapshot=True), body]
    assert alone[0].identities == within[1].identities == MINA
    order = folded(within + alone, "450001")
    assert (order.refunded_minor, order.net_minor) == (3150, 2650)


def test_a_refund_by_two_ways_is_two_refunds_and_one_without_money_is_none() -> None:
    one, two = (
        {"kind": "refund", "status": "success", "amount": amount, "currency": "EUR"} for amount in ("30", "1.5")
    )
    found = events("refunds/create", {**REFUND, "transactions": [one, two]}, owner=MINA)
    assert [(e.body.refund_id, e.body.amount_minor) for e in found if isinstance(e.body, OrderRefunded)] == [
        ("9001", 3000),
        ("9001-1", 150),
    ]
    assert deliver("refunds/create", {**REFUND, "transactions": []}).ignored == ["refunds/create: no fact in it"]


def test_a_refund_by_itself_of_an_order_whose_owner_is_not_known_names_nobody() -> None:
    assert refusal_of(deliver("refunds/create", REFUND)).startswith("identity: nobody is named")


def test_a_parcel_is_shipped_and_once_it_says_so_delivered() -> None:
    [shipped] = events("fulfillments/create", FULFILLMENT)
    assert shipped.body == OrderShipped(order_id="450001", carrier="DHL", tracking_number="JJD0001")
    assert shipped.identities == (Identity(Namespace.EMAIL, "mina.park@example.com"),)

    there = {**FULFILLMENT, "shipment_status": "delivered", "updated_at": "2026-01-31T10:30:00+01:00"}
    again, delivered = events("fulfillments/update", there, "e-2")
    assert (again.body, delivered.body) == (shipped.body, OrderDelivered(order_id="450001"))
    assert delivered.occurred_at == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

    within = events("orders/fulfilled", changed(fulfillments=[there]))
    assert [type(one.body) for one in within] == [OrderPlaced, OrderShipped, OrderDelivered]


@pytest.mark.parametrize("status", ["cancelled", "error", "failure", None])
def test_a_parcel_that_did_not_leave_is_none(status: str | None) -> None:
    done = deliver("fulfillments/update", {**FULFILLMENT, "status": status})
    assert (done.accepted, done.ignored) == ([], ["fulfillments/update: no fact in it"])


@pytest.mark.parametrize("topic", ["customers/create", "customers/update", "customers/enable", "customers/disable"])
def test_a_customer_has_traits_and_what_they_agreed_to(topic: str) -> None:
    [event] = events(topic, CUSTOMER)
    assert event.body == CustomerIdentified(
        traits={
            "email": "mina.park@example.com",
            "phone": "+493012345678",
            "first_name": "Mina",
            "last_name": "Park",
            "country": "DE",
            "city": "Leipzig",
            "tags": ["wholesale", "tea club"],
        },
        consent={"email": True, "sms": False},
    )
    assert (event.identities, event.occurred_at) == (MINA, PLACED)


@pytest.mark.parametrize(("verified", "trait"), [(True, True), (False, None), (None, None)])
def test_an_address_that_the_shop_verified_is_told_as_verified(verified: bool | None, trait: bool | None) -> None:
    [event] = events("customers/update", {**CUSTOMER, "verified_email": verified})
    assert isinstance(event.body, CustomerIdentified)
    assert event.body.traits.get("email_verified") is trait


STATES_OF_CONSENT = [
    ("subscribed", {"email": True}),
    ("unsubscribed", {"email": False}),
    ("not_subscribed", {"email": False}),
    ("redacted", {"email": False}),
    ("pending", {}),  # the customer has to confirm it yet
    ("invalid", {}),
    (None, {}),
]


@pytest.mark.parametrize(("state", "consent"), STATES_OF_CONSENT)
def test_only_who_subscribed_consents_and_who_has_to_confirm_it_says_nothing_yet(
    state: str | None, consent: dict[str, bool]
) -> None:
    [event] = events("customers/update", {**CUSTOMER, "email_marketing_consent": {"state": state},
                                         "sms_marketing_consent": None})  # fmt: skip
    assert isinstance(event.body, CustomerIdentified)
    assert event.body.consent == consent


def test_what_a_customer_agreed_to_counts_from_when_it_was_so_and_not_from_another_change() -> None:
    since = {"state": "unsubscribed", "consent_updated_at": "2025-12-01T08:00:00+01:00"}
    changes, consents = events("customers/update", {**CUSTOMER, "email_marketing_consent": since})
    assert isinstance(changes.body, CustomerIdentified)
    assert (changes.body.consent, changes.occurred_at) == ({"sms": False}, PLACED)
    assert consents.body == CustomerIdentified(consent={"email": False})
    assert (consents.identities, consents.occurred_at) == (MINA[:1], datetime(2025, 12, 1, 7, tzinfo=UTC))


@pytest.mark.parametrize(("state", "consent"), STATES_OF_CONSENT)
def test_consent_by_a_topic_of_its_own_is_the_customers_as_of_its_own_time(
    state: str | None, consent: dict[str, bool]
) -> None:
    for topic, body, channel, who, traits in (
        ("customers_email_marketing_consent/update", EMAIL_CONSENT, "email", MINA[:2], {"email": MINA[1].value}),
        ("customers_marketing_consent/update", SMS_CONSENT, "sms", MINA[::2], {"phone": MINA[2].value}),
    ):
        name = f"{channel}_marketing_consent"
        done = deliver(topic, {**body, name: {**body[name], "state": state}})
        if not consent:
            assert done.ignored == [f"{topic}: no fact in it"]
            continue
        [event] = events_of(done)
        assert event.body == CustomerIdentified(traits=traits, consent={channel: consent["email"]})
        assert (event.identities, event.occurred_at) == (who, datetime(2026, 1, 31, 8, tzinfo=UTC))


def test_a_guest_is_known_by_the_address_and_the_number_of_the_order() -> None:
    [by_mail] = events("orders/create", {**ORDER, "customer": None})
    assert by_mail.identities == MINA[1:2]
    [by_phone] = events("orders/create", {**ORDER, "customer": None, "email": "",
                                          "phone": "+493012345678"})  # fmt: skip
    assert by_phone.identities == MINA[2:]


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"billing_address": {"country_code": "CH"}, "shipping_address": {"country_code": "DE"}}, "+41443123456"),
        ({"billing_address": {"country_code": None}, "shipping_address": {"country_code": "CH"}}, "+41443123456"),
        ({"billing_address": None, "customer": {"default_address": {"country_code": "CH"}}}, "+41443123456"),
        ({"billing_address": {"country_code": "DE"}}, "+49443123456"),
        ({"billing_address": [], "shipping_address": {"country_code": 41}}, None),
        ({}, None),
    ],
)
def test_a_national_number_of_an_order_is_read_by_the_country_of_its_bill_or_of_where_it_goes(
    fields: dict[str, Any], number: str | None
) -> None:
    order = {**ORDER, "customer": None, "email": "mina.park@example.com", "phone": "044 312 34 56", **fields}
    [placed] = events("orders/create", order)
    assert [one.value for one in placed.identities if one.namespace is Namespace.PHONE] == ([number] if number else [])


EDITED: dict[str, Any] = {
    "order_edit": {
        "id": 78001,
        "order_id": 450001,
        "committed_at": "2026-01-31T09:00:00+01:00",
        "line_items": {"additions": [], "removals": [{"id": 2, "delta": 1}]},
    }
}


def test_a_test_order_and_an_unsupported_topic_are_ignored_and_say_why() -> None:
    for topic, body, why in (
        ("orders/create", {**ORDER, "test": True}, "orders/create: an order of a test"),
        ("products/update", {"id": 70}, "topic products/update"),
        ("orders/edited", EDITED, "topic orders/edited"),  # the order as it is then comes by orders/updated
        ("draft_orders/create", ORDER, "topic draft_orders/create"),
        ("checkouts/update", ORDER, "topic checkouts/update"),
        ("", {"id": 70}, "topic (none)"),
        ("customers/delete", b"no JSON", "topic customers/delete"),
    ):
        done = deliver(topic, body)
        assert (done.accepted, done.refused, done.ignored) == ([], [], [why])


def test_money_without_decimals_stays_whole() -> None:
    yen = {"currency": "JPY", "total_price": "5800", "line_items": [{**LINES[1], "price": "5800"}]}
    [placed] = events("orders/create", {**ORDER, **yen})
    assert isinstance(placed.body, OrderPlaced)
    assert (placed.body.total_minor, placed.body.items[0].unit_price_minor) == (5800, 5800)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_price": "a lot"}, "properties of 'Order Completed': Invalid decimal"),
        ({"total_price": None}, "total: required"),
        ({"currency": "Euro"}, "currency: not an ISO 4217 code"),
        ({"id": None}, "order_id: required"),
        ({"line_items": {}}, "body: Expected `array`, got `object` - at `$.line_items`"),
        ({"processed_at": "yesterday"}, "properties.placed_at: not a time with a zone"),
    ],
)
def test_an_order_that_is_not_right_is_refused_with_the_place(changes: dict[str, Any], reason: str) -> None:
    assert refusal_of(deliver("orders/create", {**ORDER, **changes})).startswith(reason)


def test_a_signed_body_is_the_same_events_under_whatever_unsigned_headers_it_comes() -> None:
    body = changed(refunds=[REFUND], fulfillments=[FULFILLMENT])
    once = deliver("orders/updated", body).event_ids
    assert len(set(once)) == 3
    for topic in ("orders/updated", "orders/create", "orders/paid", "orders/cancelled"):
        assert deliver(topic, body, f"another of {topic}").event_ids == once
    again = deliver("orders/updated", {**body, "note": "x"}).event_ids
    assert len({*once} & {*again}) == 2  # the refund and the parcel are the same, the word on the order is another


UNNAMED = (shopify.DELETED, "EmailConsent", "SmsConsent")  # resources without a GraphQL id of their own


@pytest.mark.parametrize("topic", sorted(shopify._TOPICS))
@pytest.mark.parametrize("of", sorted(PAYLOADS))
@pytest.mark.parametrize("named", [True, False])
def test_a_body_under_the_topic_of_another_resource_is_refused(topic: str, of: str, named: bool) -> None:
    """Captured once, an order could be sent again as a customer, and a product as one."""
    mine, its = resource(topic), resource(of)
    name = f"gid://shopify/{its}/7"
    body = {**PAYLOADS[of], **({"admin_graphql_api_id": name} if named and its not in UNNAMED else {})}
    done = deliver(topic, body, owner=MINA)
    if mine == its:
        assert done.accepted
    else:
        assert refusal_of(done) == f"X-Shopify-Topic: {topic!r} is about {mine}, and the body is {its}"


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("customers/update", {"id": 70, "title": "Oolong", "handle": "oolong", "tags": "vip"}),
        ("customers/update", {"id": 70, "email": "a@example.com", "admin_graphql_api_id": "gid://shopify/Product/70"}),
        ("orders/create", {**ORDER, "abandoned_checkout_url": "https://shop.example/x"}),
        ("orders/create", {**ORDER, "admin_graphql_api_id": "gid://shopify/DraftOrder/1"}),
        ("fulfillments/create", {"id": 1, "order_id": 450001, "status": "success", "kind": "sale", "gateway": "x"}),
        ("orders/create", {}),
        ("orders/create", {"admin_graphql_api_id": 7}),
    ],
    ids=repr,
)
def test_a_body_of_no_resource_that_is_known_is_nothing_that_its_topic_says(topic: str, body: Any) -> None:
    assert f"{topic!r} is about" in refusal_of(deliver(topic, body, owner=MINA))


def test_what_one_action_sets_off_under_one_event_id_stays_several_events() -> None:
    parcels = [FULFILLMENT, {**FULFILLMENT, "id": 3002, "tracking_number": "JJD0002"}]
    ids = [one for parcel in parcels for one in deliver("fulfillments/create", parcel).event_ids]
    ids += deliver("orders/updated", ORDER).event_ids
    assert len(set(ids)) == 3


@pytest.mark.parametrize("topic", sorted(shopify._TOPICS))
@given(data=st.data())
def test_any_json_of_any_topic_gives_events_is_ignored_or_is_refused(topic: str, data: st.DataObject) -> None:
    payload = next(one for name, one in PAYLOADS.items() if resource(name) == resource(topic))
    within = {"refunds": [REFUND], "fulfillments": [FULFILLMENT]} if payload is ORDER else {}
    body = data.draw(JSON | spoiled({**payload, **within}, JSON))
    done = deliver(topic, json.dumps(body).encode())
    assert done.accepted or done.refused or done.ignored
    assert deliver(topic, json.dumps(body).encode()).event_ids == done.event_ids


@given(body=st.binary())
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    assert deliver("orders/create", body).refused
