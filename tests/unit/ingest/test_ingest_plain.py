"""Plain messages: whatever is read in a few steps is what reading it with care would make of it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.catalogue.entry import CatalogueEntry
from services.ingest.domain.catalogue.registry import BY_NAME
from services.ingest.domain.definitions.plan import Plan, PlanDocument
from services.ingest.domain.definitions.renaming import Renamed, Renaming
from services.ingest.domain.fast_path import reader
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values.message import context_in
from services.ingest.service import triage
from shared.contracts.envelope import SourceKind
from tests.support.careful import Careful

SECRET: Final = b"secret"
NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
SENT: Final = datetime(2026, 1, 31, 11, 59, 58, tzinfo=UTC)
PLAN: Final = {
    "events": {
        "Page": {"properties": {"required": ["path"], "properties": {"path": {"type": "string"}}}},
        "Product Viewed": {"properties": {"required": ["product_id"]}, "mode": "enforce"},
        "Order Completed": {"properties": {"required": ["order_id", "total"]}},
        "Identify": {"properties": {"required": ["email"], "properties": {"email": {"type": "string"}}}},
    },
    "unplanned": "warn",
}


def request_context(kind: SourceKind = SourceKind.SERVER, **more: Any) -> RequestContext:
    return RequestContext(
        source_id=UUID(int=7),
        source_kind=kind,
        allow_orders=more.pop("allow_orders", False),
        received_at=NOW,
        new_message_id=lambda: "made",
        **more,
    )


def outcome(raw: bytes, by: RequestContext, watch: triage.Watch | None) -> Any:
    done = triage.triage_messages([b"{}", raw], by, partition_secret=SECRET, watch=watch)
    return {
        "accepted": [(one.key, one.headers, msgspec.json.decode(one.value)) for one in done.accepted],
        "refused": [(one.payload, one.error.reason, one.error.text) for one in done.refused],
        "violations": done.violations,
        "ids": done.event_ids,
        "placeholders": done.placeholders,
        "warnings of traits": [one for one in done.warnings if one.startswith("traits.")],
    }


# Mostly values as they should be, and now and then what nobody should send.


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 19).flatmap(lambda number: odd if number == 19 else good)


ODD: Final = st.one_of(
    st.sampled_from([None, True, 0, 7, 1.5, [], {}, [1], {"a": 1}, "", "  ", "null", "0000", "a\u0000", "x" * 300]),
    st.sampled_from(
        ["eur", "E R", "JPY", "KWD", ".50", "1e3", "-1.00", "1٣.00", "12.500", "1_0.00", "9999999999999.99", 1e16]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(),
)
WORDS: Final = mostly(st.sampled_from(["Tea", "tea-1", " Tea ", "龙井", "o-1"]), ODD)
IDS: Final = WORDS | st.integers(-1, 2**70)
CURRENCIES: Final = mostly(st.just("EUR"), ODD)
AMOUNTS: Final = mostly(
    st.one_of(
        st.sampled_from(["12.50", "0.30", 12, 0, 0.1 + 0.2, 19.99, 1.005, "12"]),
        st.integers(0, 10**15),
        st.integers(0, 10**12).map(lambda cents: cents / 100),
        st.floats(0, 1e14, allow_nan=False),
    ),
    ODD,
)
ANY: Final = st.one_of(WORDS, AMOUNTS, ODD)


def with_more(required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]) -> Any:
    return st.fixed_dictionaries(required, optional=optional).flatmap(
        lambda good: mostly(
            st.just(good), st.dictionaries(st.sampled_from([*required, *optional]), ANY).map(good.__or__)
        )
    )


LINES: Final = with_more(
    {"product_id": IDS, "price": AMOUNTS},
    {
        "sku": IDS,
        "name": WORDS,
        "category": WORDS,
        "quantity": mostly(st.integers(0, 1_000_000), ODD),
        "coupon": ANY,
    },
) | mostly(st.just({"sku": "tea", "price": 1}), st.just({"sku": "a", "product_id": "b", "total": "2.00"}))
ORDERS: Final = with_more(
    {"order_id": IDS, "currency": CURRENCIES, "total": AMOUNTS, "products": st.lists(mostly(LINES, ODD), max_size=2)},
    {"checkout_id": IDS, "revenue": AMOUNTS, "coupon": ANY, "shipping": ANY},
) | mostly(st.just({}), st.dictionaries(st.sampled_from(["value", "cart_id", "placed_at", "revenue"]), ANY))
SALES: Final = with_more(
    {},
    {
        "currency": CURRENCIES,
        **dict.fromkeys(("cart_id", "checkout_id", "order_id"), IDS),
        **dict.fromkeys(("total", "revenue", "value"), AMOUNTS),
        "products": mostly(st.lists(mostly(LINES, ODD), max_size=2), ODD),
        "coupon": ANY,
    },
)
PRODUCTS: Final = with_more(
    {"product_id": IDS, "currency": CURRENCIES, "price": AMOUNTS},
    {"sku": IDS, "name": WORDS, "category": WORDS, "brand": ANY, "quantity": mostly(st.integers(), ODD)},
) | mostly(st.just({"sku": "tea", "currency": "EUR"}), st.just({"sku": "a", "product_id": "b", "currency": "EUR"}))
PAGES: Final = with_more({}, {**dict.fromkeys(("url", "path", "title", "referrer"), WORDS), "search": ANY, "name": ANY})
TRAITS: Final = with_more(
    {},
    {
        "email": mostly(st.sampled_from(["ann@example.com", " Ann@Example.COM", "ann", "noemail@example.com"]), ODD),
        "name": ANY,
        "plan": ANY,
        "birthday": mostly(st.sampled_from(["1990-05-17", "17.05.1990"]), ODD),
        "timezone": mostly(st.sampled_from(["Asia/Shanghai", "Beijing"]), ODD),
    },
) | mostly(st.just({}), st.sampled_from([{"phone": "+4930901820", "country": "DE"}, {"phone": "030 901820"}]))
CONTEXTS: Final = with_more(
    {},
    {
        "page": PAGES,
        "library": mostly(st.just({"name": "x", "version": "1"}), ODD),
        "historical": st.booleans(),
        "locale": WORDS,
        "userAgent": WORDS,
        "consent": mostly(st.just({"categoryPreferences": {"email": True}}), ODD),
    },
) | mostly(st.just([]), st.just({"traits": {"email": "ann@example.com"}}))
SIMPLE: Final[Mapping[str, CatalogueEntry]] = {name: entry for name, entry in BY_NAME.items() if entry.lenient}


def behaviour(name: str) -> st.SearchStrategy[dict[str, Any]]:
    entry = SIMPLE[name]
    assert entry.properties is not None
    held = [name for names in entry.properties.held for name in names]
    kinds = {"currency": CURRENCIES, "price": AMOUNTS, "rating": AMOUNTS, "quantity": mostly(st.integers(0, 9), ODD)}
    flags = dict.fromkeys(("automated", "permanent"), mostly(st.booleans(), ODD))
    optional = {one: {**kinds, **flags}.get(one, IDS) for one in held}
    more = {"products": mostly(st.lists(LINES, max_size=2), ODD), "cart_id": IDS, "brand": ANY, "total": AMOUNTS}
    return st.fixed_dictionaries(
        {
            "event": st.sampled_from([name, name.title()]),
            "properties": st.fixed_dictionaries({}, optional={**optional, **more}),
        }
    )


CALLS: Final[Mapping[str, st.SearchStrategy[dict[str, Any]]]] = {
    "page": st.fixed_dictionaries({"properties": PAGES}, optional={"name": WORDS, "category": WORDS}),
    "screen": st.fixed_dictionaries({"properties": PAGES}, optional={"name": WORDS, "category": WORDS}),
    "order": st.fixed_dictionaries(
        {"event": st.sampled_from(["Order Completed", " order completed"]), "properties": ORDERS}
    ),
    "product": st.fixed_dictionaries({"event": st.just("Product Viewed"), "properties": PRODUCTS}),
    "custom": st.fixed_dictionaries({"event": WORDS, "properties": PRODUCTS}),
    "cart": st.fixed_dictionaries(
        {"event": st.sampled_from(["Cart Updated", "cart viewed", "Product Removed"]), "properties": SALES}
    ),
    "checkout": st.fixed_dictionaries({"event": st.just("Checkout Started"), "properties": SALES}),
    "added": st.fixed_dictionaries(
        {"event": st.just("Product Added"), "properties": with_more({"product_id": IDS}, {"cart_id": IDS})}
    ),
    "behaviour": st.sampled_from(sorted(SIMPLE)).flatmap(behaviour),
    "refund": st.fixed_dictionaries({"event": st.just("Order Refunded"), "properties": ORDERS}),
    "identify": st.fixed_dictionaries({"traits": TRAITS}),
    "group": st.fixed_dictionaries({"groupId": WORDS, "traits": TRAITS}),
    "alias": st.fixed_dictionaries({"previousId": WORDS}),
}
TIMES: Final = mostly(
    st.just("2026-01-31T11:59:57.120Z"),
    st.sampled_from(["2026-01-31T19:59:57+08:00", "2026-01-31", "0001-01-01T00:00:00Z", "2027-01-01T00:00:00Z", 7]),
)
ENVELOPES: Final = st.fixed_dictionaries(
    {
        "messageId": mostly(st.sampled_from(["m-1", " m-2 "]), ODD),
        "timestamp": mostly(TIMES, st.none()),
        "userId": WORDS,
    },
    optional={
        "anonymousId": WORDS,
        "context": CONTEXTS,
        "sentAt": TIMES,
        "originalTimestamp": TIMES,
        "integrations": ANY,
        "traits": mostly(st.just({}), TRAITS),
        "category": mostly(st.just("tea"), ODD),
    },
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(sorted(CALLS)))
    type_ = kind if kind in ("page", "screen", "identify", "group", "alias") else "track"
    fields = {"type": type_, **draw(ENVELOPES), **draw(CALLS[kind])}
    return json.dumps(fields, ensure_ascii=draw(st.booleans())).encode()


RECEPTIONS: Final = st.builds(
    request_context,
    st.sampled_from([SourceKind.SERVER, SourceKind.PUBLIC]),
    allow_orders=st.booleans(),
    historical=st.booleans(),
    sent_at=st.sampled_from([None, SENT]),
    plan=st.sampled_from([Plan(None), Plan(msgspec.convert(PLAN, PlanDocument))]),
    type=mostly(st.none(), st.sampled_from(["page", "track", "identify"])),
    traceparent=st.sampled_from([None, "00-1-2-01"]),
    context=mostly(
        st.just(b""), st.sampled_from([b'{"page": {"title": "Tea"}}', b'{"traits": {"email": "b@example.com"}}'])
    ).map(context_in),
    country=st.sampled_from([None, "DE"]),
    renaming=mostly(st.just(Renaming({})), st.just(Renaming({"tea": Renamed(event="Order Completed")}))),
)


@given(messages(), RECEPTIONS)
def test_a_message_is_the_same_however_closely_it_is_read(raw: bytes, by: RequestContext) -> None:
    assert outcome(raw, by, None) == outcome(raw, by, Careful())


@given(messages(), st.data(), RECEPTIONS)
def test_a_message_that_was_damaged_on_its_way_is_the_same_however_closely_it_is_read(
    raw: bytes, data: st.DataObject, by: RequestContext
) -> None:
    at = data.draw(st.integers(0, len(raw)), label="at")
    piece = data.draw(st.binary(max_size=2) | st.sampled_from([b"\xff", b"}", b"[" * 65, b'{"a":' * 65]), label="piece")
    damaged = raw[:at] + piece + raw[at + data.draw(st.integers(0, 2), label="left out") :]
    assert outcome(damaged, by, None) == outcome(damaged, by, Careful())


def message(**fields: Any) -> bytes:
    whole = {
        "messageId": "m-1",
        "timestamp": "2026-01-31T11:59:57.120Z",
        "userId": "42",
        "anonymousId": "a-42",
        **fields,
    }
    return json.dumps(whole).encode()


ORDER: Final = {
    "order_id": "o-1",
    "currency": "EUR",
    "total": 59.9,
    "affiliation": "shop",
    "products": [{"product_id": "tea-1", "name": "龙井", "category": "tea", "quantity": 2, "price": "29.95"}],
}
LINE: Final = [{"product_id": "tea-1", "price": "29.95", "quantity": 2}]
PLAIN: Final = {
    "a page": message(type="page", name="Tea", properties={"url": "https://shop.example/tea", "path": "/tea"}),
    "a page as browsers say it": message(
        type="page",
        properties={"url": "https://shop.example/", "path": "/", "title": "Tea", "referrer": "", "search": ""},
        context={"page": {"url": "https://shop.example/", "title": "Tea"}, "userAgent": "Mozilla/5.0", "locale": "de"},
    ),
    "a screen": message(type="screen", name="Home", properties={}),
    "an order": message(type="track", event="Order Completed", properties=ORDER),
    "a product": message(
        type="track",
        event="Product Viewed",
        properties={"product_id": "tea-1", "price": 12.5, "currency": "EUR", "brand": "B", "quantity": 1},
    ),
    "an order with further properties": message(
        type="track",
        event="Order Completed",
        properties={
            **ORDER,
            "checkout_id": "c-1",
            "revenue": 54.9,
            "coupon": "spring",
            "products": [{"product_id": "p-1", "sku": "tea-1", "price": 29.95, "quantity": 2, "brand": "B"}],
        },
    ),
    "an order with numbers for ids": message(
        type="track",
        event="Order Completed",
        properties={"order_id": 1001, "currency": "EUR", "total": 29.95, "products": [{**LINE[0], "product_id": 7}]},
    ),
    "a product with both its names": message(
        type="track",
        event="Product Viewed",
        properties={"product_id": "p-1", "sku": "tea-1", "price": 12.5, "currency": "EUR", "value": 12.5},
    ),
    "a cart": message(
        type="track", event="Cart Updated", properties={"cart_id": "c-1", "currency": "EUR", "products": LINE}
    ),
    "a cart without a currency": message(
        type="track", event="Cart Viewed", properties={"cart_id": "c-1", "products": LINE}
    ),
    "what was put into a cart": message(
        type="track",
        event="Product Added",
        properties={"cart_id": "c-1", "product_id": "p-1", "sku": "tea-1", "price": 29.95, "quantity": 1},
    ),
    "a product in a list": message(
        type="track",
        event="Product Clicked",
        properties={"product_id": "p-1", "sku": "tea-1", "price": 29.95, "currency": "EUR", "position": 3},
    ),
    "a coupon": message(type="track", event="Coupon Applied", properties={"coupon_id": "SPRING", "discount": 5}),
    "a mail that was opened": message(
        type="track", event="Email Opened", properties={"email_id": "m-1", "campaign_id": 7, "automated": True}
    ),
    "an event with RudderStack's time": message(
        type="track", event="Waved", timestamp=None, originalTimestamp="2026-01-31T11:59:57.120Z"
    ),
    "a checkout": message(
        type="track",
        event="Checkout Started",
        properties={"order_id": "o-1", "value": 54.9, "shipping": 5, "currency": "EUR", "products": LINE},
    ),
    "an event of its own": message(type="track", event="Wishlist Shared", properties={"items": [1, 2]}),
    "an identify": message(type="identify", traits={"email": "Ann@Example.com", "name": "Ann"}),
}


@pytest.mark.parametrize("raw", PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.parametrize("kind", [SourceKind.SERVER, SourceKind.PUBLIC])
def test_what_sdks_send_every_day_is_plain(raw: bytes, kind: SourceKind) -> None:
    by = request_context(kind)
    assert reader(by, partition_secret=SECRET)(raw, 0) is not None
    assert outcome(raw, by, None) == outcome(raw, by, Careful())


def test_an_event_that_somebody_wants_to_see_is_not_taken_for_plain() -> None:
    read = reader(request_context(), partition_secret=SECRET, enough={"Order Completed"})
    assert read(PLAIN["an order"], 0) is not None
    assert read(PLAIN["a page"], 0) is None


@pytest.mark.parametrize("event", ["Order Completed", "Cart Updated", "Checkout Started"])
@pytest.mark.parametrize("line", ["tea-1", "", None, 7, True, 1.5, [], ["tea-1"], {}], ids=repr)
def test_a_line_that_is_no_object_is_read_with_care(event: str, line: Any) -> None:
    ids = {"order_id": "o-1", "cart_id": "c-1", "checkout_id": "k-1"}
    raw = message(type="track", event=event, properties={**ids, "currency": "EUR", "total": "1.00", "products": [line]})
    assert reader(request_context(), partition_secret=SECRET)(raw, 0) is None
    assert outcome(raw, request_context(), None) == outcome(raw, request_context(), Careful())


def test_long_names_are_not_remembered() -> None:
    """Else whoever sends them would fill the memory."""
    raw = message(type="page", properties={}, userId=" " * 30_000 + "42")
    assert reader(request_context(), partition_secret=SECRET)(raw, 0) is None
    assert outcome(raw, request_context(), None)["accepted"]
