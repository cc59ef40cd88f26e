"""Stripe's webhooks, from the payload to the typed events. The payloads are ours, after Stripe's published shapes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats.webhooks import stripe
from services.ingest.domain.values import money
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import Event
from shared.contracts.events import CustomerIdentified, OrderPlaced, OrderRefunded
from shared.contracts.identity import Identity, Namespace
from tests.support.webhooks import delivery, events_of, folded, refusal_of, source, spoiled, taken
from tests.unit.ingest.test_ingest_normalise import JSON

SHOP = source("stripe")
PAID = datetime(2026, 1, 30, 12, tzinfo=UTC)
PAID_SECONDS = int(PAID.timestamp())
CHARGE: dict[str, Any] = {
    "id": "ch_tea1",
    "object": "charge",
    "amount": 4250,
    "amount_refunded": 0,
    "captured": True,
    "currency": "eur",
    "created": PAID_SECONDS,
    "customer": "cus_nele",
    "payment_intent": "pi_tea1",
    "description": "Two tins",
    "receipt_email": None,
    "billing_details": {
        "email": "Nele.Brandt@example.com",
        "phone": "0351 1234567",
        "name": "Nele Brandt",
        "address": {"city": "Dresden", "country": "DE", "line1": None},
    },
    "metadata": {"order_id": "A-77", "till": "web"},
    "refunds": None,
    "status": "succeeded",
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 1050,
    "currency": "eur",
    "created": PAID_SECONDS + 3600,
    "charge": "ch_tea1",
    "payment_intent": "pi_tea1",
    "metadata": {},
    "reason": "requested_by_customer",
    "status": "succeeded",
}
CUSTOMER: dict[str, Any] = {
    "id": "cus_nele",
    "object": "customer",
    "created": PAID_SECONDS - 900,
    "email": "nele.brandt@example.com",
    "phone": "+493511234567",
    "name": "Nele Brandt",
    "address": {"city": "Dresden", "country": "DE"},
    "metadata": {"tea_club": "yes", "email": "nobody@example.com"},
}
PAYLOADS = {"charge.refunded": {**CHARGE, "refunds": {"data": [REFUND]}}, "customer.created": CUSTOMER,
            "customer.updated": CUSTOMER, "charge.succeeded": CHARGE}  # fmt: skip
NELE = (
    Identity(Namespace.USER_ID, "cus_nele"),
    Identity(Namespace.EMAIL, "nele.brandt@example.com"),
    Identity(Namespace.PHONE, "+493511234567"),
)


def wrapped(type_: str, thing: Any, event_id: str = "evt_1", **more: Any) -> dict[str, Any]:
    members = {"id": event_id, "object": "event", "type": type_, "created": PAID_SECONDS + 1, "livemode": True}
    return {**members, "data": {"object": thing}, **more}


def deliver(type_: str, thing: Any, event_id: str = "evt_1", owner: tuple[Identity, ...] = ()) -> TriageResult:
    owners = {"pi_tea1": owner, "A-77": owner} if owner else {}
    return taken(delivery(wrapped(type_, thing, event_id), {}), SHOP, owners=owners)


def events(type_: str, thing: Any, event_id: str = "evt_1", owner: tuple[Identity, ...] = ()) -> list[Event]:
    return events_of(deliver(type_, thing, event_id, owner))


def placed(**changes: Any) -> OrderPlaced:
    [event] = events("charge.succeeded", {**CHARGE, **changes})
    assert isinstance(event.body, OrderPlaced)
    return event.body


def test_a_charge_that_succeeded_is_an_order_of_whoever_paid() -> None:
    [event] = events("charge.succeeded", CHARGE)
    assert event.body == OrderPlaced(
        order_id="A-77",
        currency="EUR",
        total_minor=4250,
        placed_at=PAID,
        state="placed",
        payment_refs=("pi_tea1", "ch_tea1"),
        payment_id="pi_tea1",
    )
    assert (event.identities, event.occurred_at) == (NELE, PAID + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("changes", "order_id"),
    [
        ({"metadata": {"order_id": "A-77"}}, "A-77"),
        ({"metadata": {}}, "pi_tea1"),
        ({"metadata": None}, "pi_tea1"),
        ({"metadata": {"order_id": ""}, "payment_intent": None}, "ch_tea1"),
    ],
)
def test_an_order_is_named_by_the_shop_or_else_by_its_payment(changes: dict[str, Any], order_id: str) -> None:
    assert placed(**changes).order_id == order_id


def test_a_guest_is_known_by_the_address_of_the_bill_or_of_the_receipt() -> None:
    [by_bill] = events("charge.succeeded", {**CHARGE, "customer": None})
    assert by_bill.identities == NELE[1:]
    receipt = {"customer": None, "billing_details": None, "receipt_email": "nele@example.com"}
    [by_receipt] = events("charge.succeeded", {**CHARGE, **receipt})
    assert by_receipt.identities == (Identity(Namespace.EMAIL, "nele@example.com"),)
    nobody = deliver("charge.succeeded", {**CHARGE, "customer": None, "billing_details": None})
    assert (nobody.accepted, nobody.refused) == ([], [])
    assert nobody.ignored == ["charge.succeeded: a payment of nobody known"]


@pytest.mark.parametrize(
    ("currency", "units", "minor"),
    [
        ("usd", 1999, 1999),
        ("jpy", 1999, 1999),
        ("krw", 50000, 50000),
        ("kwd", 12340, 12340),
        ("isk", 5000_00, 5000),  # two decimals there, none in ISO 4217
        ("ugx", 5000_00, 5000),
        ("mga", 5000, 5000_00),  # none there, two in ISO 4217
        ("huf", 1999_00, 1999_00),
    ],
)
def test_amounts_are_in_the_units_that_stripe_counts_in(currency: str, units: int, minor: int) -> None:
    order = placed(currency=currency, amount=units)
    assert (order.currency, order.total_minor) == (currency.upper(), minor)
    [refunded] = events("refund.created", {**REFUND, "currency": currency, "amount": units}, owner=NELE)
    assert isinstance(refunded.body, OrderRefunded)
    assert refunded.body.amount_minor == minor


@given(units=st.integers(1, money.MAX_MINOR))
def test_where_both_count_alike_an_amount_stays_what_it_is(units: int) -> None:
    for currency in ("eur", "jpy", "kwd"):
        assert placed(currency=currency, amount=units).total_minor == units


def test_a_fraction_that_its_currency_does_not_have_is_refused() -> None:
    done = deliver("charge.succeeded", {**CHARGE, "currency": "isk", "amount": 500_050})
    assert refusal_of(done).startswith("properties.total: more decimals than ISK has (0)")


def test_refunds_come_with_their_charge_in_some_versions_and_by_themselves_in_others() -> None:
    refunded = {**CHARGE, "refunds": {"object": "list", "data": [REFUND, {**REFUND, "id": "re_2", "status": "failed"}]}}
    [within] = events("charge.refunded", refunded)
    assert within.body == OrderRefunded(
        order_id="A-77",
        refund_id="re_1",
        currency="EUR",
        amount_minor=1050,
        payment_id="pi_tea1",
        payment_refs=("pi_tea1",),
    )
    assert (within.identities, within.occurred_at) == (NELE, datetime(2026, 1, 30, 13, tzinfo=UTC))
    assert deliver("charge.refunded", CHARGE).ignored == ["charge.refunded: no fact in it"]

    named = {**REFUND, "metadata": {"order_id": "A-77"}}
    types = ("refund.created", "refund.updated", "charge.refund.updated")
    alone = [one for n, type_ in enumerate(types) for one in events(type_, named, f"evt_{n}", NELE)]
    assert [(one.body, one.identities) for one in alone] == [(within.body, NELE)] * 3
    order = folded([*events("charge.succeeded", CHARGE), within, *alone], "A-77")
    assert (order.refunded_minor, order.net_minor, order.placed_at) == (1050, 3200, PAID)


@pytest.mark.parametrize(
    ("changes", "order_id"), [({"metadata": None}, "pi_tea1"), ({"payment_intent": None}, "ch_tea1")]
)
def test_a_refund_by_itself_is_of_the_order_that_its_payment_names(changes: dict[str, Any], order_id: str) -> None:
    done = taken(delivery(wrapped("refund.created", {**REFUND, **changes}), {}), SHOP, owners={order_id: NELE})
    [event] = events_of(done)
    assert isinstance(event.body, OrderRefunded)
    assert (event.body.order_id, event.identities) == (order_id, NELE)


def test_a_refund_by_itself_of_an_order_whose_owner_is_not_known_names_nobody() -> None:
    assert refusal_of(deliver("refund.created", REFUND)).startswith("identity: nobody is named")


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_failed_after_all_is_taken_back(status: str) -> None:
    named = {**REFUND, "metadata": {"order_id": "A-77"}}
    earlier = [*events("charge.succeeded", CHARGE), *events("refund.created", named, "evt_1", NELE)]
    for type_ in ("refund.failed", "refund.updated"):
        [failed] = events(type_, {**named, "status": status}, "evt_2", NELE)
        order = folded([*earlier, failed], "A-77")
        assert (order.refunded_minor, order.net_minor) == (0, 4250)


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_that_has_not_gone_back_is_none(status: str) -> None:
    done = deliver("refund.created", {**REFUND, "status": status})
    assert (done.accepted, done.ignored) == ([], ["refund.created: no fact in it"])


def test_a_national_number_is_read_by_the_country_that_is_sent_to_where_the_bill_has_none() -> None:
    sent_to = {"shipping": {"address": {"country": "DE"}}}
    billing = {**CHARGE["billing_details"], "address": {"country": None}}
    [placed] = events("charge.succeeded", {**CHARGE, "billing_details": billing, **sent_to})
    [identified] = events("customer.created", {**CUSTOMER, "phone": "0351 1234567", "address": None, **sent_to})
    assert placed.identities == identified.identities == NELE
    odds: list[Any] = [{"address": {"country": 49}}, {"address": []}, {}, [], None]
    for odd in odds:
        [unknown] = events("charge.succeeded", {**CHARGE, "billing_details": billing, "shipping": odd})
        assert unknown.identities == NELE[:2]


@pytest.mark.parametrize("type_", ["customer.created", "customer.updated"])
def test_a_customer_has_traits_and_the_shops_own_beside_them(type_: str) -> None:
    [event] = events(type_, CUSTOMER)
    assert event.body == CustomerIdentified(
        traits={
            "tea_club": "yes",
            "email": "nele.brandt@example.com",
            "phone": "+493511234567",
            "name": "Nele Brandt",
            "country": "DE",
            "city": "Dresden",
        }
    )
    assert event.identities == NELE
    assert event.occurred_at == datetime(2026, 1, 30, 12, 0, 1, tzinfo=UTC)  # the change's, not the customer's
    [bare] = events(type_, {"id": "cus_2", "created": 1, "metadata": None})
    assert (bare.body, bare.identities) == (CustomerIdentified(), (Identity(Namespace.USER_ID, "cus_2"),))


def test_an_unsupported_type_is_ignored_whatever_it_is_about() -> None:
    for type_ in ("charge.failed", "invoice.paid", "payment_intent.succeeded", "customer.deleted"):
        done = deliver(type_, {"id": [7]})
        assert (done.accepted, done.refused, done.ignored) == ([], [], [f"type {type_}"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "42.50"}, "body: Expected `int`, got `str` - at `$.amount`"),
        ({"amount": -1}, "properties.total: negative"),
        ({"currency": "euro"}, "currency: not an ISO 4217 code"),
        ({"created": 10**12}, "body: "),
        ({"created": -(10**17)}, "body: "),
        ({"created": 10**18}, "body: "),
        ({"created": 10**40}, "body: "),
    ],
)
def test_a_charge_that_is_not_right_is_refused_with_the_place(changes: dict[str, Any], reason: str) -> None:
    assert refusal_of(deliver("charge.succeeded", {**CHARGE, **changes})).startswith(reason)


def test_what_is_no_event_of_stripes_is_refused() -> None:
    for body in (b"", b"[]", b"null", b'{"id": "evt_1"}', json.dumps(wrapped("charge.succeeded", None)).encode()):
        assert refusal_of(taken(delivery(body, {}), SHOP)).startswith("body: ")


def test_the_same_delivery_again_is_the_same_events_and_another_event_is_others() -> None:
    refunded = {**CHARGE, "refunds": {"data": [REFUND, {**REFUND, "id": "re_2"}]}}
    once = deliver("charge.refunded", refunded).event_ids
    assert len(set(once)) == 2
    assert deliver("charge.refunded", {**refunded, "livemode": True}).event_ids == once
    assert not {*once} & {*deliver("charge.refunded", refunded, "evt_2").event_ids}


@pytest.mark.parametrize("type_", sorted(stripe._TYPES))
@given(data=st.data())
def test_any_json_of_any_type_gives_events_is_ignored_or_is_refused(type_: str, data: st.DataObject) -> None:
    good = wrapped(type_, PAYLOADS.get(type_, REFUND))
    body = json.dumps(data.draw(JSON | spoiled(good, JSON | st.integers()))).encode()
    done = taken(delivery(body, {}), SHOP)
    assert done.accepted or done.refused or done.ignored
    assert taken(delivery(body, {}), SHOP).event_ids == done.event_ids


@given(body=st.binary())
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    assert taken(delivery(body, {}), SHOP).refused
