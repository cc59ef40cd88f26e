"""What a message becomes on the bus, by what it says and by who says it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import judge as normalising
from services.ingest.domain.catalogue.registry import BY_NAME
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.request.context import RequestContext
from shared.contracts import wire
from shared.contracts.envelope import Event, SourceKind, event_id
from shared.contracts.events import (
    Body,
    CartUpdated,
    CheckoutStarted,
    ConsentChanged,
    CustomerIdentified,
    CustomEvent,
    FeedbackSubmitted,
    Item,
    OrderCancelled,
    OrderDelayed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    PageViewed,
    ProductViewed,
    WithExtra,
)
from shared.contracts.identity import Identity, Namespace

SOURCE = UUID("5c1d9d1e-8f0a-4a55-9e0a-3a8f1e3f7d11")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TEA = {"product_id": "T-1", "name": "Tea", "category": "tea", "quantity": 2, "price": 29.95}
TEA_ITEM = Item(sku="T-1", name="Tea", category="tea", quantity=2, unit_price_minor=2995)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))


def json_of(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any JSON with texts like these."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


JSON = json_of(st.text())
JSON_WITHOUT_NUL = json_of(TEXTS)
FIELDS = st.sampled_from(
    ["type", "userId", "anonymousId", "messageId", "event", "name", "properties", "traits", "context", "timestamp"]
)


def request_context(kind: SourceKind = SourceKind.SERVER, **extra: Any) -> RequestContext:
    return RequestContext(
        source_id=SOURCE,
        source_kind=kind,
        allow_orders=extra.pop("allow_orders", False),
        received_at=NOW,
        new_message_id=lambda: "made",
        **extra,
    )


def normalise(raw: bytes, by: RequestContext) -> Event:
    return normalising.normalise(raw, by).event


def normal_event(kind: SourceKind = SourceKind.SERVER, **message: Any) -> Event:
    return normalise(json.dumps({"userId": "42", "messageId": "m-1", **message}).encode(), request_context(kind))


def tracked(name: str, /, **properties: Any) -> Body:
    return normal_event(type="track", event=name, properties=properties).body


def refusal(name: str, /, **properties: Any) -> str:
    with pytest.raises(BadEvent) as refused:
        tracked(name, **properties)
    return refused.value.text


def test_an_order_has_lines_and_money_in_minor_units() -> None:
    body = tracked("Order Completed", order_id=1001, total="59.90", currency="eur", products=[{**TEA, "cost": "10.5"}])
    item = Item(sku="T-1", name="Tea", category="tea", quantity=2, unit_price_minor=2995, unit_cost_minor=1050)
    assert body == OrderPlaced(order_id="1001", currency="EUR", total_minor=5990, items=(item,), state="placed")


def test_revenue_stands_for_a_missing_total_and_a_sku_comes_before_a_product_id() -> None:
    body = tracked(
        "order completed", order_id="A", revenue=0, currency="JPY", products=[{"sku": "S", "product_id": 7, "price": 5}]
    )
    item = Item(sku="S", quantity=1, unit_price_minor=5, extra={"product_id": 7})
    assert body == OrderPlaced(order_id="A", currency="JPY", total_minor=0, items=(item,), state="placed")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"total": 1, "currency": "EUR"}, "order_id: required"),
        ({"order_id": "A", "total": 1}, "currency: required"),
        ({"order_id": "A", "currency": "EUR"}, "total: required"),
        ({"order_id": "A", "currency": "EUR", "total": "29.999"}, "properties.total: more decimals than EUR has (2)"),
        ({"order_id": "A", "currency": "EUR", "total": 29.9900000000002}, "properties.total: more decimals"),
        ({"order_id": "A", "currency": "JPY", "total": 0.5}, "properties.total: more decimals than JPY has (0)"),
        ({"order_id": "A", "currency": "EUR", "total": -1}, "properties.total: negative"),
        ({"order_id": "A", "currency": "EUR", "total": "a lot"}, "properties of 'Order Completed': Invalid decimal"),
        (
            {"order_id": "A", "currency": "EUR", "total": 1, "products": [{"price": 1}]},
            "properties.products[0].product_id",
        ),
        (
            {"order_id": "A", "currency": "EUR", "total": 1, "products": [{**TEA, "quantity": -1}]},
            "properties.products[0].quantity: negative",
        ),
        (
            {"order_id": "A", "currency": "EUR", "total": 1, "products": [{**TEA, "quantity": 0.1234567}]},
            "properties.products[0].quantity: not a number up to 1000000 with at most 6 decimals",
        ),
    ],
)
def test_an_order_that_is_not_right_is_refused_with_the_place(properties: dict[str, Any], reason: str) -> None:
    assert refusal("Order Completed", **properties).startswith(reason)


def test_a_refund_without_an_id_is_named_by_its_message() -> None:
    assert tracked("Order Refunded", order_id="A", amount="5", currency="EUR") == OrderRefunded(
        order_id="A", refund_id="m-1", currency="EUR", amount_minor=500
    )
    assert tracked("Order Refunded", order_id="A", refund_id="R", total=5, currency="EUR") == OrderRefunded(
        order_id="A", refund_id="R", currency="EUR", amount_minor=500
    )


@pytest.mark.parametrize(
    ("name", "properties", "body"),
    [
        ("Order Cancelled", {"reason": "late"}, OrderCancelled(order_id="A", reason="late")),
        (
            "Order Shipped",
            {"carrier": "DHL", "tracking_number": 12},
            OrderShipped(order_id="A", carrier="DHL", tracking_number="12"),
        ),
        (
            "Order Delayed",
            {"reason": "snow", "expected_at": "2026-02-03"},
            OrderDelayed(order_id="A", reason="snow", expected_at="2026-02-03"),
        ),
        ("Order Delivered", {}, OrderDelivered(order_id="A")),
    ],
)
def test_an_orders_progress_needs_its_order(name: str, properties: dict[str, Any], body: Body) -> None:
    assert tracked(name, order_id="A", **properties) == body
    assert refusal(name, **properties).startswith("order_id: required")


def test_a_product_viewed_has_a_price_where_its_currency_is_known() -> None:
    assert tracked("Product Viewed", sku="S", price=9.5, currency="EUR") == ProductViewed(
        sku="S", currency="EUR", price_minor=950
    )
    assert tracked("Product Viewed", sku="S", price=9.5) == ProductViewed(sku="S", extra={"price": 9.5})


def test_a_cart_is_a_cart_only_with_its_id_its_products_and_a_currency() -> None:
    assert tracked("Cart Viewed", cart_id="C", currency="EUR", products=[TEA]) == CartUpdated(
        cart_id="C", currency="EUR", total_minor=5990, items=(TEA_ITEM,)
    )
    for name, properties in (
        ("Product Added", {"cart_id": "C", "products": [TEA]}),
        ("Cart Viewed", {"currency": "EUR", "products": [TEA]}),
        ("Cart Updated", {"cart_id": "C", "products": [TEA]}),
    ):
        assert tracked(name, **properties) == CustomEvent(name=name, properties=properties)


def test_a_checkout_is_named_by_itself_or_by_its_order() -> None:
    assert tracked("Checkout Started", order_id="A", value=5, currency="EUR") == CheckoutStarted(
        checkout_id="A", currency="EUR", total_minor=500
    )
    assert isinstance(tracked("Checkout Started", value=5), CustomEvent)


def test_feedback_has_a_rating_on_its_scale() -> None:
    assert tracked("Feedback Submitted", survey="csat", rating="4", text="ok", order_id="A") == FeedbackSubmitted(
        survey="csat", rating=4, text="ok", order_id="A"
    )
    assert refusal("Feedback Submitted", survey="csat", rating=6).startswith("properties.rating: not on the csat scale")
    assert refusal("Feedback Submitted", survey="nps").startswith("rating: required")
    assert refusal("Feedback Submitted", survey="ces", rating=1).startswith("properties of 'Feedback Submitted'")


@given(
    properties=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00")), st.integers() | st.booleans()
    )
)
def test_anything_else_is_kept_as_it_is(properties: dict[str, Any]) -> None:
    assert tracked("Song Played", **properties) == CustomEvent(name="Song Played", properties=properties)


def test_pages_and_screens_are_views() -> None:
    page = normal_event(type="page", properties={"url": "u", "title": "T", "theme": "dark"}, name="n", category="c")
    assert page.body == PageViewed(url="u", title="T", extra={"name": "n", "category": "c", "theme": "dark"})
    assert normal_event(type="screen", name="Basket").body == PageViewed(title="Basket", screen=True)


LEAST: Final[Mapping[str, Mapping[str, Any]]] = {
    **{f"Order {what}": {"order_id": "A"} for what in ("Cancelled", "Shipped", "Delayed", "Delivered")},
    "Order Completed": {"order_id": "A", "total": 5, "currency": "EUR"},
    "Order Refunded": {"order_id": "A", "refund_id": "R", "amount": 5, "currency": "EUR"},
    "Feedback Submitted": {"rating": 9},
    "Product Viewed": {"product_id": "P"},
    "Cart Updated": {"cart_id": "C", "currency": "EUR", "products": []},
    "Checkout Started": {"cart_id": "C", "currency": "EUR"},
}
SCALARS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1) | st.integers(-9, 9)
OWN_WORDS: Final = st.dictionaries(st.from_regex(r"own_[a-z]{1,5}", fullmatch=True), SCALARS, max_size=3)


@given(name=st.sampled_from(sorted(LEAST)), own=OWN_WORDS, lines=st.lists(OWN_WORDS, max_size=3))
def test_nothing_that_a_typed_event_has_no_field_for_is_dropped(
    name: str, own: dict[str, Any], lines: list[dict[str, Any]]
) -> None:
    properties = {**LEAST[name], **own}
    if name in ("Order Completed", "Cart Updated", "Checkout Started"):
        properties["products"] = [{"sku": "S", "price": 1, **line} for line in lines]
        body = tracked(name, **properties)
        assert isinstance(body, OrderPlaced | CartUpdated | CheckoutStarted)
        assert [item.extra for item in body.items] == lines
    body = tracked(name, **properties)
    assert isinstance(body, WithExtra)
    assert body.extra == own


def test_of_names_that_stand_for_each_other_the_others_are_kept_too() -> None:
    body = tracked(
        "Checkout Started", checkout_id="K", order_id="A", cart_id="C", currency="EUR", total=1, revenue=2, value=None
    )
    assert body == CheckoutStarted(
        checkout_id="K", currency="EUR", total_minor=100, extra={"order_id": "A", "cart_id": "C", "revenue": 2}
    )


def test_a_group_keeps_its_traits_from_the_customer() -> None:
    event = normal_event(type="group", groupId="g", traits={"email": "club@example.com"})
    assert event.body == CustomEvent(
        name="Group Identified", properties={"group_id": "g", "traits": {"email": "club@example.com"}}
    )
    assert event.identities == (Identity(Namespace.USER_ID, "42"),)


def test_an_alias_names_a_customer_twice() -> None:
    assert normal_event(type="alias", previousId="a-1").identities == (
        Identity(Namespace.USER_ID, "42"),
        Identity(Namespace.ANONYMOUS_ID, "a-1"),
    )
    with pytest.raises(BadEvent, match=r"^identity: "):
        normal_event(type="alias", previousId="anonymous")


def test_an_alias_by_a_server_s_key_is_an_explicit_merge_and_nothing_else_is() -> None:
    def merges(kind: SourceKind, type_: str) -> bool:
        return normal_event(kind, type=type_, event="Alias", previousId="41", groupId="g", anonymousId="a").merges

    assert merges(SourceKind.SERVER, "alias")
    assert not merges(SourceKind.PUBLIC, "alias")
    for type_ in ("track", "identify", "page", "screen", "group"):
        assert not merges(SourceKind.SERVER, type_)


def test_consent_comes_from_servers_and_is_yes_or_no() -> None:
    def consented(kind: SourceKind, choice: object) -> Body:
        context = {"consent": {"categoryPreferences": {"email": choice}}}
        return normal_event(kind, type="identify", context=context).body

    assert consented(SourceKind.SERVER, True) == CustomerIdentified(consent={"email": True})
    assert consented(SourceKind.PUBLIC, True) == CustomerIdentified()


@pytest.mark.parametrize("word", ["true", "TRUE", "yes", "GRANTED", "granted", "1", 1, " opted-in ", "accepted"])
def test_consent_in_words_is_consent(word: object) -> None:
    context = {"consent": {"categoryPreferences": {"email": word}}}
    assert normal_event(type="identify", context=context).body == CustomerIdentified(consent={"email": True})
    changed = tracked("Consent Changed", channel="email", granted=word)
    assert changed == ConsentChanged(channel="email", granted=True)


@pytest.mark.parametrize("word", ["false", "no", "DENIED", "denied", "0", 0, "withdrawn", "opted_out"])
def test_a_withdrawal_in_words_is_one(word: object) -> None:
    context = {"consent": {"categoryPreferences": {"email": word, "sms": True}}}
    found = normal_event(type="identify", context=context).body
    assert found == CustomerIdentified(consent={"email": False, "sms": True})
    changed = tracked("Consent Changed", channel="email", granted=word)
    assert changed == ConsentChanged(channel="email", granted=False)


@pytest.mark.parametrize("word", ["maybe", "pending", "", [], {}, 2, 0.5])
def test_a_consent_that_cant_be_read_costs_that_consent_alone(word: object) -> None:
    context = {"consent": {"categoryPreferences": {"email": word, "sms": "yes", "push": None}}}
    raw = json.dumps({"type": "identify", "userId": "1", "traits": {"plan": "gold"}, "context": context}).encode()
    found = normalising.normalise(raw, request_context(SourceKind.SERVER))
    assert found.event.body == CustomerIdentified(traits={"plan": "gold"}, consent={"sms": True})
    assert found.warnings == ("consent to email: neither yes nor no",)
    with pytest.raises(BadEvent) as refused:
        tracked("Consent Changed", channel="email", granted=word)
    assert refused.value.reason in (Reason.CONSENT, Reason.MALFORMED)


@pytest.mark.parametrize("stated", ["yes", ["email"], True])
def test_consent_to_nothing_in_particular_costs_no_customer(stated: object) -> None:
    context = {"consent": {"categoryPreferences": stated}}
    raw = json.dumps({"type": "identify", "userId": "1", "context": context}).encode()
    found = normalising.normalise(raw, request_context(SourceKind.SERVER))
    assert (found.event.body, found.warnings) == (
        CustomerIdentified(),
        ("consent to any channel: neither yes nor no",),
    )


def test_rudderstacks_time_is_the_original_one_where_there_is_no_other() -> None:
    ago = NOW - timedelta(hours=3)
    fields = {"type": "track", "event": "Waved", "userId": "1", "originalTimestamp": ago.isoformat()}
    assert normalise(json.dumps(fields).encode(), request_context()).occurred_at == ago
    later = {**fields, "timestamp": (ago + timedelta(hours=1)).isoformat()}
    assert normalise(json.dumps(later).encode(), request_context()).occurred_at == ago + timedelta(hours=1)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_public_key_claims_orders_and_says_everything_else(name: str) -> None:
    properties = {"order_id": "A", "total": 1, "currency": "EUR", "rating": 5, "sku": "S"}
    properties |= {"channel": "email", "granted": True, "email_id": "m-1"}
    properties |= {"traits": {"plan": "gold"}, "tag": "T", "list_id": "L"}
    for allowed in (False, True):
        raw = json.dumps({"type": "track", "event": name, "userId": "1", "properties": properties}).encode()
        event = normalise(raw, request_context(SourceKind.PUBLIC, allow_orders=allowed))
        in_a_users_name = name in ("feedback submitted", "consent changed", "product reviewed", "unsubscribed")
        # What became of a mail its provider says, and tags, lists and computed traits are the company's own.
        never = in_a_users_name or name.startswith(("email ", "tag ", "list member ", "trait "))
        assert event.unverified is (never or (name.startswith("order ") and not allowed))


def test_history_is_what_a_server_says_for_its_batch_or_its_item() -> None:
    plain, marked = {"type": "identify"}, {"type": "identify", "context": {"historical": True}}
    unmarked = {"type": "identify", "context": {"historical": False}}
    cases: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
        (plain, {}, False),
        (marked, {}, True),
        (plain, {"historical": True}, True),
        (unmarked, {"historical": True}, False),
    ]
    for message, batch, historical in cases:
        raw = json.dumps({"userId": "1", **message}).encode()
        assert normalise(raw, request_context(**batch)).historical is historical
        assert normalise(raw, request_context(SourceKind.PUBLIC, **batch)).historical is False


def test_an_event_is_named_by_its_source_and_message() -> None:
    assert normal_event(type="identify").event_id == event_id(SOURCE, "m-1")
    assert normal_event(type="identify", messageId=None).event_id == event_id(SOURCE, "made")


@given(message=st.dictionaries(FIELDS, JSON), type_=st.sampled_from(["track", "identify", "page", "group", "alias"]))
def test_no_message_whatever_it_holds_raises_anything_but_its_refusal(message: dict[str, Any], type_: str) -> None:
    raw = json.dumps({"type": type_, "userId": "1", "event": "Order Completed", **message}).encode()
    for kind in (SourceKind.PUBLIC, SourceKind.SERVER):
        try:
            event = normalise(raw, request_context(kind))
        except BadEvent:
            continue
        assert wire.decode(*wire.encode(event)).event_id == event.event_id


@given(
    name=st.sampled_from(sorted(BY_NAME)),
    properties=st.dictionaries(
        st.sampled_from(["order_id", "currency", "total", "products", "rating", "cart_id", "sku", "price", "amount"]),
        JSON,
    ),
)
def test_no_properties_whatever_they_hold_raise_anything_but_a_refusal(name: str, properties: dict[str, Any]) -> None:
    try:
        body = tracked(name, **properties)
    except BadEvent:
        return
    assert type(body) in wire.TYPE_NAMES


@given(raw=st.binary())
def test_no_bytes_raise_anything_but_a_refusal(raw: bytes) -> None:
    with pytest.raises(BadEvent):
        normalise(raw, request_context())


def test_an_event_nested_deeper_than_its_readers_follow_is_refused() -> None:
    deep: Any = "bottom"
    for _ in range(70):
        deep = {"in": deep}
    assert "nested deeper" in refusal("Anything", deep=deep)


def test_many_brackets_side_by_side_or_in_a_text_are_not_deep() -> None:
    properties = {"list": [{} for _ in range(100)], "text": "[{" * 100}
    assert tracked("Anything", **properties) == CustomEvent(name="Anything", properties=properties)


def test_an_id_longer_than_a_key_may_be_is_refused() -> None:
    assert "at most 256" in refusal("Order Cancelled", order_id="x" * 257)
