"""The typed routes' bodies: each becomes its event, a misspelt field is named, the same request is the same event."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.ingest.domain.definitions.plan import Mode, Plan, PlanDocument, Planned
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.formats import typed
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import (
    Body,
    CartUpdated,
    CheckoutStarted,
    ConsentChanged,
    CustomerIdentified,
    CustomEvent,
    Item,
    ListMemberAdded,
    ListMemberRemoved,
    OrderCancelled,
    OrderDelayed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    PageViewed,
    ProductViewed,
    TagCleared,
    TagSet,
    TraitSet,
)
from shared.contracts.identity import Identity, Namespace
from tests.support.typed import TYPED
from tests.support.webhooks import NOW, events_of, folded, refusal_of, source, spoiled, taken
from tests.unit.ingest.test_ingest_normalise import JSON

SERVER = source("tracking")
PUBLIC = source("tracking", kind=SourceKind.PUBLIC)
TEA = Item(sku="TEA-1", name="茉莉花茶", category="tea", quantity=2, unit_price_minor=2995)
IN_A_YEAR = datetime(2027, 1, 31, tzinfo=UTC)
MEANT: dict[str, Body] = {
    "orders": OrderPlaced(order_id="A-1001", currency="EUR", total_minor=5990, items=(TEA,), state="placed"),
    "refunds": OrderRefunded(order_id="A-1001", refund_id="R-1", currency="EUR", amount_minor=2995),
    "cancellations": OrderCancelled(order_id="A-1001", reason="changed her mind"),
    "shipments": OrderShipped(order_id="A-1001", carrier="DHL", tracking_number="JD01460"),
    "delays": OrderDelayed(order_id="A-1001", reason="customs", expected_at="2026-02-09"),
    "deliveries": OrderDelivered(order_id="A-1001"),
    "checkouts": CheckoutStarted(checkout_id="K-1", currency="EUR", total_minor=5990, items=(TEA,)),
    "carts": CartUpdated(cart_id="C-1", currency="EUR", total_minor=5990, items=(TEA,)),
    "customers": CustomerIdentified(
        traits={"first_name": "Ann", "country": "DE", "email": "ann@example.com"}, consent={"email": True}
    ),
    "consents": ConsentChanged(
        channel="email", granted=True, evidence={"form": "checkout", "wording": "Write to me about new teas"}
    ),
    "page-views": PageViewed(url="https://shop.example/tea", path="/tea"),
    "product-views": ProductViewed(sku="TEA-1", currency="EUR", price_minor=2995),
    "traits": TraitSet(traits={"favourite_tea": "龙井", "churn_risk": 0.2}),
    "tags": TagSet(tag="tea lover", reason="asked for the spring list", expires_at=IN_A_YEAR),
    "cleared-tags": TagCleared(tag="tea lover"),
    "list-members": ListMemberAdded(list_id="spring-tasting", expires_at=IN_A_YEAR),
    "removed-list-members": ListMemberRemoved(list_id="spring-tasting"),
    "events": CustomEvent(name="Wishlist Shared", properties={"items": 3}),
}
ANN = (Identity(Namespace.USER_ID, "42"), Identity(Namespace.EMAIL, "ann@example.com"))
ALL = sorted(TYPED_ROUTES)
BY_STATE = [kind for kind in ALL if TYPED_ROUTES[kind].key == "state"]
BY_MOMENT = [kind for kind in ALL if TYPED_ROUTES[kind].key == "moment"]
BY_HEADER = [kind for kind in ALL if TYPED_ROUTES[kind].key == "header"]
TEXTS = [
    ("orders", "order_id"),
    ("orders", "currency"),
    ("refunds", "order_id"),
    ("refunds", "refund_id"),
    ("refunds", "currency"),
    ("cancellations", "order_id"),
    ("shipments", "order_id"),
    ("delays", "order_id"),
    ("deliveries", "order_id"),
    ("checkouts", "checkout_id"),
    ("checkouts", "currency"),
    ("carts", "cart_id"),
    ("carts", "currency"),
    ("consents", "channel"),
    ("product-views", "sku"),
    ("tags", "tag"),
    ("cleared-tags", "tag"),
    ("list-members", "list_id"),
    ("removed-list-members", "list_id"),
    ("events", "name"),
]
OTHERS = [("orders", "total"), ("refunds", "total"), ("carts", "items"), *((kind, "customer") for kind in ALL)]


def send(kind: str, body: Any, key: str = "k-1", by: Source = SERVER) -> TriageResult:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return taken(Payload(way=IngestMethod.TYPED, raw=raw, around={"kind": kind, "idempotency_key": key}), by)


def sent(kind: str, body: Any, key: str = "k-1", by: Source = SERVER) -> Event:
    [event] = events_of(send(kind, body, key, by))
    return event


def refusal(kind: str, body: Any, key: str = "k-1", by: Source = SERVER) -> str:
    """Returns why a body was refused, as its sender reads it."""
    return typed.placed(kind, refusal_of(send(kind, body, key, by)))


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def test_every_kind_has_an_example_and_a_meaning() -> None:
    assert set(TYPED_ROUTES) == set(MEANT) == set(TYPED)


# What a body means


@pytest.mark.parametrize("kind", ALL)
def test_the_example_of_each_kind_becomes_its_event(kind: str) -> None:
    event = sent(kind, TYPED[kind])
    assert event.body == MEANT[kind]
    assert event.identities == (
        ANN if "user_id" in TYPED[kind]["customer"] else (Identity(Namespace.ANONYMOUS_ID, "0f2b8a6e"),)
    )
    assert (event.occurred_at, event.historical, event.unverified) == (NOW, False, False)


def test_an_order_may_say_when_it_was_placed_and_what_each_line_cost_and_comes_to() -> None:
    line = {"sku": "T", "quantity": 3, "total": 10, "unit_cost": "1.10"}
    body = {**TYPED["orders"], "items": [line], "placed_at": "2026-01-30T09:00:00+01:00", "total": 10.5}
    assert sent("orders", body).body == OrderPlaced(
        order_id="A-1001",
        currency="EUR",
        total_minor=1050,
        items=(Item(sku="T", quantity=3, unit_price_minor=333, unit_cost_minor=110, total_minor=1000),),
        placed_at=datetime(2026, 1, 30, 8, tzinfo=UTC),
        state="placed",
    )


def test_money_is_in_its_currencys_own_units_as_a_text_or_as_a_number() -> None:
    for currency, total, minor in (("JPY", 5990, 5990), ("KWD", "5.990", 5990), ("EUR", 59.9, 5990), ("eur", "0", 0)):
        body = {**without(TYPED["orders"], "items"), "currency": currency, "total": total}
        assert sent("orders", body).body == OrderPlaced(
            order_id="A-1001", currency=currency.upper(), total_minor=minor, state="placed"
        )


def test_a_cart_and_a_checkout_come_to_what_they_say_or_to_their_lines() -> None:
    for kind in ("carts", "checkouts"):
        for changes, minor in (({}, 5990), ({"total": "50.00"}, 5000), ({"items": []}, 0)):
            body = sent(kind, {**TYPED[kind], **changes}).body
            assert isinstance(body, CartUpdated | CheckoutStarted)
            assert body.total_minor == minor


@pytest.mark.parametrize("kind", ALL)
def test_when_it_happened_and_that_it_is_history_is_what_a_server_says(kind: str) -> None:
    body = {**TYPED[kind], "occurred_at": "2026-01-30T09:00:00+01:00", "historical": True}
    event, public = sent(kind, body), sent(kind, body, by=PUBLIC)
    assert event.occurred_at == public.occurred_at == datetime(2026, 1, 30, 8, tzinfo=UTC)
    assert (event.historical, public.historical) == (True, False)
    assert refusal(kind, {**body, "occurred_at": "yesterday"}).startswith("occurred_at: not a time with a zone; ")


@pytest.mark.parametrize("kind", ALL)
def test_the_country_of_the_customer_is_that_of_their_national_number(kind: str) -> None:
    customer = {"user_id": 42, "phone": "030 901820"}
    links = [str(one) for one in sent(kind, {**TYPED[kind], "customer": {**customer, "country": "de"}}).identities]
    assert links == ["user_id:42", "phone:+4930901820"]
    body = {**TYPED[kind], "customer": {**customer, "country": "Germany"}}
    assert refusal(kind, body) == "customer.country: 'Germany'; send an ISO 3166-1 alpha-2 code such as DE"


def test_a_national_number_that_is_the_only_name_is_refused_in_the_words_of_the_body() -> None:
    reason = refusal("orders", {**TYPED["orders"], "customer": {"phone": "030 901820"}})
    assert reason.endswith("write customer.phone with + and the country's code, or name its customer.country")


def test_a_price_without_a_currency_is_kept_beside_as_it_came() -> None:
    body = sent("product-views", {**without(TYPED["product-views"], "currency"), "price": "29.95"}).body
    assert body == ProductViewed(sku="TEA-1", extra={"price": "29.95"})


@pytest.mark.parametrize("kind", ALL)
def test_a_public_key_claims_orders_verifies_no_address_and_gives_no_consent(kind: str) -> None:
    customer = {"user_id": 42, "anonymous_id": "a-1", "email": "Ann@Example.com", "phone": "+493012345678"}
    event, public = (sent(kind, {**TYPED[kind], "customer": customer}, by=by) for by in (SERVER, PUBLIC))
    assert [str(one) for one in event.identities] == [
        "user_id:42",
        "email:ann@example.com",
        "phone:+493012345678",
        "anonymous_id:a-1",
    ]
    assert [str(one) for one in public.identities] == ["user_id:42", "anonymous_id:a-1"]
    of_orders = ("orders", "refunds", "cancellations", "shipments", "delays", "deliveries")
    claimed = (*of_orders, "consents", "traits", "tags", "cleared-tags", "list-members", "removed-list-members")
    assert public.unverified is (kind in claimed)
    if isinstance(public.body, CustomerIdentified):
        assert public.body.consent == {}


# What is refused, in the words of the body


@pytest.mark.parametrize("name", ["email", "phone"])
def test_traits_that_say_who_a_customer_is_are_no_traits_to_be_set(name: str) -> None:
    body = {**TYPED["traits"], "traits": {"plan": "gold", name: "ann@example.com"}}
    assert refusal("traits", body) == f"traits: {name!r} says who the customer is; send it in an identify call"
    assert refusal("traits", {**body, "traits": {}}).startswith("traits: required")


@pytest.mark.parametrize("kind", ["tags", "list-members"])
def test_a_tag_and_a_place_on_a_list_end_at_a_time_that_has_a_zone(kind: str) -> None:
    assert refusal(kind, {**TYPED[kind], "expires_at": "2027-01-31"}).startswith("expires_at: not a time with a zone")
    assert refusal(kind, {**TYPED[kind], "expires_at": "2500-01-31T00:00:00Z"}).startswith("expires_at: ")


@pytest.mark.parametrize("kind", ALL)
def test_a_field_that_is_not_known_is_named(kind: str) -> None:
    assert refusal(kind, {**TYPED[kind], "colour": 1}) == "body: Object contains unknown field `colour`"
    customer = {**TYPED[kind], "customer": {"user_id": "42", "e_mail": "x"}}
    assert refusal(kind, customer) == "body: Object contains unknown field `e_mail` - at `customer`"
    if "items" in TYPED[kind]:
        line = {**TYPED[kind], "items": [*TYPED[kind]["items"], {"sku": "T", "price": 1}]}
        assert refusal(kind, line) == "body: Object contains unknown field `price` - at `items[1]`"


@pytest.mark.parametrize(("kind", "name"), TEXTS + OTHERS)
def test_a_field_that_is_missing_is_named(kind: str, name: str) -> None:
    assert refusal(kind, without(TYPED[kind], name)) == f"body: Object missing required field `{name}`"


@pytest.mark.parametrize(("kind", "name"), TEXTS)
@pytest.mark.parametrize("empty", ["", " "])
def test_a_field_that_is_empty_is_named_and_never_taken_for_something_else(kind: str, name: str, empty: str) -> None:
    assert refusal(kind, {**TYPED[kind], name: empty}) == f"{name}: required; it must not be empty"


@pytest.mark.parametrize("kind", ALL)
def test_a_body_that_is_no_object_or_about_nobody_says_so(kind: str) -> None:
    for body in (b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000):
        assert refusal(kind, body).startswith("body: ")
    assert refusal(kind, {**TYPED[kind], "customer": {}}).startswith(
        "identity: nobody is named; send a customer.user_id"
    )
    guest = {**TYPED[kind], "customer": {"user_id": "guest", "email": "no address"}}
    assert refusal(kind, guest) == (
        "identity: customer.user_id, customer.email is not valid, or means nobody; "
        "send a customer.user_id or a customer.anonymous_id, or a valid customer.email"
    )


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("orders", {"total": "59.999"}, "total: more decimals than EUR has (2)"),
        ("orders", {"total": -1}, "total: negative; "),
        ("orders", {"total": "a lot"}, "body: Invalid decimal string - at `total`"),
        ("orders", {"currency": "EURO"}, "currency: not an ISO 4217 code in currency; "),
        ("orders", {"placed_at": "2026-01-30"}, "placed_at: not a time with a zone"),
        ("carts", {"items": [{"sku": "T"}]}, "items[0].unit_price: required; send the price of one unit"),
        ("orders", {"items": [{"sku": "T", "unit_price": "1.001"}]}, "items[0].unit_price: more decimals"),
        ("orders", {"items": [{"sku": "T", "unit_price": 1, "unit_cost": -1}]}, "items[0].unit_cost: negative"),
        ("orders", {"items": [{"sku": "", "unit_price": 1}]}, "items[0].sku: required; "),
        ("carts", {"items": [{"sku": "T", "unit_price": 1, "quantity": -1}]}, "items[0].quantity: negative"),
        ("refunds", {"total": "29.999"}, "total: more decimals than EUR has (2)"),
        ("product-views", {"price": "29.999"}, "price: more decimals than EUR has (2)"),
        ("cancellations", {"order_id": "x" * 257}, "order_id: 257 characters; send at most 256"),
        ("customers", {"consent": {"email": "yes"}}, "body: Expected `bool`, got `str` - at `consent[...]`"),
        ("events", {"customer": {"user_id": "x" * 257}}, "customer.user_id: longer than 256 characters"),
        ("events", {"properties": {"text": "a\x00b"}}, "body: a text contains the character U+0000; remove it"),
    ],
)
def test_an_error_is_told_in_the_words_of_the_body(kind: str, changes: dict[str, Any], reason: str) -> None:
    text = refusal(kind, {**TYPED[kind], **changes})
    assert text.startswith(reason)
    assert not any(word in text for word in ("properties", "userId", "anonymousId", "timestamp"))


def test_an_events_own_properties_keep_their_place_in_what_a_plan_says() -> None:
    plan = Plan(PlanDocument(events={"Waved": Planned(properties={"required": ["hand"]}, mode=Mode.ENFORCE)}))
    body = {"name": "Waved", "customer": {"user_id": "42"}, "properties": {"foot": "left"}}
    assert "properties" in refusal("events", body, by=source("tracking", plan=plan))


def test_what_a_plan_has_against_a_body_is_told_in_its_words() -> None:
    schema = {"properties": {"total": {"maximum": 1}, "order_id": {"pattern": "^B"}}}
    plan = Plan(PlanDocument(events={"Order Refunded": Planned(properties=schema, mode=Mode.ENFORCE)}))
    text = refusal("refunds", {**TYPED["refunds"], "total": 5}, by=source("tracking", plan=plan))
    assert text.endswith("; send what the plan says, or change the plan")
    assert "order_id: " in text
    assert "properties" not in text


# Which requests are one


@pytest.mark.parametrize("kind", BY_STATE)
def test_what_states_how_a_thing_is_may_be_sent_again_and_each_request_is_a_statement_of_its_own(kind: str) -> None:
    """An order's total of 100, then 90, then 100 again ends at 100: equal bytes are not the same fact."""
    body = {**TYPED[kind], "occurred_at": "2026-01-30T09:00:00Z"}
    assert len({sent(kind, body, key="").event_id for _ in range(3)}) == 3
    assert sent(kind, body, key="k-1").event_id == sent(kind, body, key="k-1").event_id


@pytest.mark.parametrize("totals", [("100", "90", "100"), ("90", "100", "90")])
def test_an_order_that_goes_back_to_what_it_was_comes_to_its_last_total(totals: tuple[str, ...]) -> None:
    body = without(TYPED["orders"], "items")
    found = [
        sent("orders", {**body, "total": total, "occurred_at": f"2026-01-30T09:0{n}:00Z"}, key="")
        for n, total in enumerate(totals)
    ]
    assert folded(found, "A-1001").net_minor == int(totals[-1]) * 100


def test_goods_by_weight_have_an_exact_quantity_and_a_line_may_lack_its_price_where_the_total_is_known() -> None:
    lines = [{"sku": "LOOSE", "quantity": "0.35", "unit_price": "40.00"}, {"sku": "GIFT", "quantity": 2}]
    body = sent("orders", {**TYPED["orders"], "items": lines, "total": "14.00"}).body
    assert isinstance(body, OrderPlaced)
    assert body.items == (
        Item(sku="LOOSE", quantity=1, unit_price_minor=4000, exact_quantity=Decimal("0.35")),
        Item(sku="GIFT", quantity=2, unit_price_minor=0, unpriced=True),
    )


@pytest.mark.parametrize("kind", BY_MOMENT)
def test_where_content_may_come_again_the_moment_says_which(kind: str) -> None:
    body = {**TYPED[kind], "occurred_at": "2026-01-30T09:00:00Z"}
    known = sent(kind, body, key="").event_id
    assert sent(kind, dict(reversed(body.items())), key="").event_id == known
    assert sent(kind, {**body, "occurred_at": "2026-01-30T09:00:01Z"}, key="").event_id != known
    text = refusal(kind, without(body, "occurred_at"), key="")
    assert text == "occurred_at: required where there is no Idempotency-Key header; send either"


@pytest.mark.parametrize("kind", BY_HEADER)
def test_where_nothing_else_could_the_header_says_which(kind: str) -> None:
    text = refusal(kind, {**TYPED[kind], "occurred_at": "2026-01-30T09:00:00Z"}, key="")
    assert text == "Idempotency-Key: this header is required; send one for each fact"


@pytest.mark.parametrize("kind", ALL)
def test_the_header_overrides_all_else_and_is_of_its_route(kind: str) -> None:
    known = sent(kind, TYPED[kind]).event_id
    assert sent(kind, {**TYPED[kind], "occurred_at": "2026-01-30T09:00:00Z"}).event_id == known
    assert sent(kind, TYPED[kind], key="k-2").event_id != known
    assert len({sent(other, TYPED[other]).event_id for other in ALL}) == len(ALL)


@pytest.mark.parametrize("kind", ALL)
@given(data=st.data())
def test_any_json_becomes_an_event_or_is_refused(kind: str, data: st.DataObject) -> None:
    good = {**TYPED[kind], "occurred_at": NOW.isoformat(), "historical": True}
    body = data.draw(JSON | spoiled(good, JSON))
    for key in ("", "k-1"):
        done = send(kind, body, key)
        assert len(done.accepted) + len(done.refused) == 1
        if key or kind not in BY_STATE:
            assert send(kind, body, key).event_ids == done.event_ids


@given(st.lists(st.integers(0, 500).map(str), min_size=1, max_size=6))
def test_of_statements_of_one_order_the_last_counts_however_often_an_earlier_one_comes_again(totals: list[str]) -> None:
    events = []
    for n, total in enumerate(totals):
        body = json.dumps({**without(TYPED["orders"], "items"), "total": total}).encode()
        payload = Payload(way=IngestMethod.TYPED, raw=body, around={"kind": "orders", "idempotency_key": ""})
        events += events_of(taken(payload, SERVER, at=NOW + timedelta(milliseconds=n)))

    assert len({event.event_id for event in events}) == len(totals)
    assert folded(events, "A-1001").net_minor == int(totals[-1]) * 100


@given(st.integers(0, 500), st.integers(0, 500))
def test_under_one_idempotency_key_a_fact_is_one_event_whatever_its_body(first: int, second: int) -> None:
    ids = {sent("orders", {**without(TYPED["orders"], "items"), "total": total}).event_id for total in (first, second)}
    assert len(ids) == 1


@given(st.permutations([(0, 100), (1, 90), (2, 70)]))
def test_of_statements_of_one_moment_the_source_version_decides_in_any_order(words: list[tuple[int, int]]) -> None:
    moment = {"occurred_at": "2026-01-30T09:00:00Z"}
    order = without(TYPED["orders"], "items")
    events = [
        sent("orders", {**order, **moment, "total": total, "source_version": version}, key=str(version))
        for version, total in words
    ]
    assert folded(events, "A-1001").net_minor == 70_00
