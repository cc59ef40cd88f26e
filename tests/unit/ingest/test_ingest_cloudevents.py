"""CloudEvents, of our own types and of anybody's: what they mean, who they are about, and what they must say."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.api.examples import CLOUDEVENT
from services.ingest.domain.definitions.renaming import Renamed, Renaming
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.formats import cloudevents
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.service.triage import MAX_PAYLOAD_EVENT_BYTES, TriageResult
from shared.contracts import wire
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import (
    Body,
    CartUpdated,
    CheckoutStarted,
    ConsentChanged,
    CustomerIdentified,
    CustomEvent,
    FeedbackSubmitted,
    Item,
    MessageSent,
    OrderCancelled,
    OrderDelayed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    PageViewed,
    ProductViewed,
)
from shared.contracts.identity import Identity, Namespace
from tests.support.vocabulary import BEHAVIOUR, MESSAGES, TOLD_BY_SERVERS
from tests.support.webhooks import NOW, events_of, refusal_of, source, taken

SERVER = source("tracking")
PUBLIC = source("tracking", kind=SourceKind.PUBLIC)
LINE = Item(sku="T-1", name="Tea", category="tea", quantity=2, unit_price_minor=2995, unit_cost_minor=1000)
OURS: list[Body] = [
    OrderPlaced(
        order_id="A", currency="EUR", total_minor=5990, items=(LINE,), placed_at=datetime(2026, 1, 1, tzinfo=UTC)
    ),
    OrderCancelled(order_id="A", reason="late"),
    OrderRefunded(order_id="A", refund_id="R", currency="EUR", amount_minor=5),
    OrderShipped(order_id="A", carrier="DHL", tracking_number="1"),
    OrderDelayed(order_id="A", reason="snow", expected_at="2026-02-03"),
    OrderDelivered(order_id="A"),
    PageViewed(url="https://shop.example/tea", path="/tea", title="Tea"),
    ProductViewed(sku="T-1", currency="EUR", price_minor=2995),
    CartUpdated(cart_id="C", currency="EUR", total_minor=5990, items=(LINE,)),
    CheckoutStarted(checkout_id="K", currency="EUR", total_minor=5990, items=(LINE,)),
    FeedbackSubmitted(survey="nps", rating=10, text="again", order_id="A"),
    CustomerIdentified(traits={"plan": "gold"}, consent={"email": True}),
    ConsentChanged(channel="email", granted=False, purpose="newsletter", evidence={"form": "footer"}),
    *BEHAVIOUR,
    *MESSAGES,
    *TOLD_BY_SERVERS,
]
USER = Identity(Namespace.USER_ID, "42")
MAIL = Identity(Namespace.EMAIL, "ann@example.com")
ORDER: dict[str, Any] = CLOUDEVENT


def event(type_: str = "com.example.waved", data: Any = None, **attributes: Any) -> dict[str, Any]:
    members = {"specversion": "1.0", "id": "1", "source": "/erp", "type": type_, "subject": "user_id:42", "data": data}
    return {name: value for name, value in {**members, **attributes}.items() if value is not None}


def triaged(document: Any, by: Source = SERVER) -> TriageResult:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return taken(Payload(way=IngestMethod.CLOUDEVENTS, raw=raw), by)


def understood(document: Any, by: Source = SERVER) -> Event:
    [found] = events_of(triaged(document, by))
    return found


def refusal(document: Any, by: Source = SERVER) -> str:
    return refusal_of(triaged(document, by))


# What it is


def test_every_type_of_ours_that_anybody_may_say_has_an_example_here() -> None:
    assert {type(body) for body in OURS} == set(cloudevents.TYPES.values())


def test_an_earlier_version_of_a_type_of_ours_is_taken_as_it_was() -> None:
    data = {"order_id": "A-1", "currency": "EUR", "total_minor": 5, "more": {"coupon": "SPRING"}}
    found = understood(event("rapport.order_placed.v1", data))
    assert found.body == OrderPlaced(order_id="A-1", currency="EUR", total_minor=5, extra={"coupon": "SPRING"})


@pytest.mark.parametrize("body", OURS, ids=lambda body: type(body).__name__)
def test_a_type_of_ours_is_taken_as_the_contract_has_it(body: Body) -> None:
    found = understood(event(wire.TYPE_NAMES[type(body)], msgspec.to_builtins(body)))
    assert (found.body, found.identities, found.unverified) == (body, (USER,), False)


def test_the_example_of_the_description_is_an_order_of_its_customer() -> None:
    found = understood(ORDER)
    assert found.body == OrderPlaced(order_id="A-1001", currency="EUR", total_minor=5990)
    assert (found.identities, found.occurred_at) == ((USER,), NOW)


@pytest.mark.parametrize("body", [MessageSent, CustomEvent])
def test_what_only_our_own_services_know_cant_be_said(body: type[Body]) -> None:
    data = {"message_id": str(uuid4()), "journey_id": "j", "journey_version": 1, "trigger_id": "t", "channel": "email"}
    text = refusal(event(wire.TYPE_NAMES[body], {**data, "name": "x"}))
    assert text.startswith(f"type: '{wire.TYPE_NAMES[body]}' can't be sent; of rapport. there are cart_item_added.v1, ")
    assert refusal(event("rapport.order_placed.v9", {})).startswith("type: 'rapport.order_placed.v9' can't be sent")


@pytest.mark.parametrize(
    ("type_", "data", "reason"),
    [
        ("order_placed", {"order_id": "A", "currency": "EUR"}, "data: Object missing required field `total_minor`"),
        ("order_placed", {"order_id": "A", "currency": "EUR", "total_minor": "5"}, "data: Expected `int`, got `str`"),
        ("order_placed", {"order_id": "A", "currency": "EUR", "total_minor": -1}, "data.total_minor: -1; send minor"),
        ("order_placed", {"order_id": "A", "currency": "EUR", "total_minor": 2**53}, "data.total_minor: "),
        ("order_placed", {"order_id": "A", "currency": "eur", "total_minor": 1}, "data.currency: not an ISO 4217 code"),
        ("order_placed", {"order_id": "", "currency": "EUR", "total_minor": 1}, "data.order_id: 0 characters"),
        ("order_cancelled", {"order_id": "x" * 257}, "data.order_id: 257 characters"),
        ("product_viewed", {"sku": ""}, "data.sku: 0 characters"),
        ("product_viewed", {"sku": "S", "currency": "€"}, "data.currency: not an ISO 4217 code"),
        ("feedback_submitted", {"survey": "csat", "rating": 0}, "data.rating: not on the csat scale of 1 to 5"),
        ("feedback_submitted", {"survey": "ces", "rating": 1}, "data: Invalid enum value 'ces'"),
    ],
)
def test_what_is_not_as_the_contract_has_it_is_refused_with_the_place(
    type_: str, data: dict[str, Any], reason: str
) -> None:
    assert refusal(event(f"rapport.{type_}.v1", data)).startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"sku": ""}, "data.items[1].sku: 0 characters"),
        ({"quantity": -1}, "data.items[1].quantity: -1; send a whole number"),
        ({"quantity": 1_000_001}, "data.items[1].quantity: 1000001"),
        ({"unit_price_minor": -5}, "data.items[1].unit_price_minor: -5"),
        ({"unit_cost_minor": -5}, "data.items[1].unit_cost_minor: -5"),
    ],
)
def test_a_line_that_is_not_right_is_refused_with_its_place(line: dict[str, Any], reason: str) -> None:
    good = msgspec.to_builtins(LINE)
    data = {"order_id": "A", "currency": "EUR", "total_minor": 1, "items": [good, {**good, **line}]}
    assert refusal(event("rapport.order_placed.v1", data)).startswith(reason)


def test_a_time_in_the_data_has_a_zone_and_is_in_utc_on_the_bus() -> None:
    data = {"order_id": "A", "currency": "EUR", "total_minor": 1}
    [done] = triaged(event("rapport.order_placed.v1", {**data, "placed_at": "2026-01-30T09:00:00+02:00"})).accepted
    assert b'"placed_at":"2026-01-30T07:00:00Z"' in done.value
    naive = event("rapport.order_placed.v1", {**data, "placed_at": "2026-01-30T09:00:00"})
    assert refusal(naive) == "data.placed_at: not a time with a zone; send RFC 3339"


def test_any_other_type_is_an_event_of_that_name_with_its_data() -> None:
    found = understood(event("com.example.waved", {"hand": "left", "customer": {"user_id": "43"}}, subject=None))
    assert found.body == CustomEvent(name="com.example.waved", properties={"hand": "left"})
    assert found.identities == (Identity(Namespace.USER_ID, "43"),)
    for data in ("null", "{}"):
        assert understood(json.dumps(event(data=0)).replace("0}", f"{data}}}").encode()).body == CustomEvent(
            name="com.example.waved"
        )
    assert understood(event("Order Delivered", {"order_id": 7})).body == OrderDelivered(order_id="7")


def test_a_sources_own_words_make_it_typed() -> None:
    words = Renamed(event="Order Completed", properties={"order_id": "no", "total": "sum", "currency": "'EUR'"})
    erp = source("tracking", renaming=Renaming({"com.example.sold": words}))
    data = {"no": 7, "sum": "59.90", "customer": {"email": "Ann@Example.com"}}
    found = understood(event("com.example.sold", data), erp)
    assert found.body == OrderPlaced(
        order_id="7",
        currency="EUR",
        total_minor=5990,
        state="placed",
        extra={"no": 7, "sum": "59.90", "customer": data["customer"]},
    )
    assert found.identities == (USER, MAIL)
    text = refusal(event("com.example.sold", {"no": 7}), erp)
    assert text.startswith("total: required; ")


# What CloudEvents requires


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_what_cloudevents_requires_must_be_there_and_not_be_empty(name: str) -> None:
    without = {other: value for other, value in event().items() if other != name}
    assert refusal(without) == f"body: Object missing required field `{name}`"
    assert refusal(event(**{name: ""} if name != "type" else {"type_": ""})).startswith(f"{name}: ")


@pytest.mark.parametrize("version", ["0.3", "1", "1.1", "2.0"])
def test_another_version_of_the_specification_is_refused(version: str) -> None:
    assert refusal(event(specversion=version)) == f"specversion: {version!r}; send CloudEvents 1.0"


@given(one=st.tuples(st.text("abc/", min_size=1), st.text("abc/", min_size=1)), other=st.data())
def test_an_event_is_named_by_its_source_and_id_together(one: tuple[str, str], other: st.DataObject) -> None:
    two = other.draw(st.just(one) | st.tuples(st.text("abc/", min_size=1), st.text("abc/", min_size=1)))
    ids = {understood(event(source=source_, id=id_)).event_id for source_, id_ in (one, two)}
    assert len(ids) == (1 if one == two else 2)
    assert understood(event("another.type", {"x": 1}, source=one[0], id=one[1])).event_id in ids


def test_the_time_is_the_events_own_and_never_later_than_now() -> None:
    found = understood(event(time="2026-01-31T10:00:00+01:00"))
    assert found.occurred_at == found.stated_at == datetime(2026, 1, 31, 9, tzinfo=UTC)
    assert understood(event(time="2026-02-01T11:00:00Z")).occurred_at == NOW
    assert "more than a day ahead" in refusal(event(time="2027-01-01T00:00:00Z"))
    assert understood(event()).occurred_at == NOW
    assert "not a time with a zone" in refusal(event(time="2026-01-31T10:00:00"))


@pytest.mark.parametrize(("value", "historical"), [(True, True), ("true", True), (False, False), ("True", True)])
def test_history_is_what_a_server_says(value: object, historical: bool) -> None:
    assert understood(event(historical=value)).historical is historical
    assert understood(event(historical=value), PUBLIC).historical is False


def test_an_event_is_as_large_as_any_other_payload_and_not_larger() -> None:
    frame = len(json.dumps(event(data={"text": ""})))
    assert triaged(event(data={"text": "x" * (MAX_PAYLOAD_EVENT_BYTES - frame)})).refused == []
    assert "at most 262144" in refusal(event(data={"text": "x" * (MAX_PAYLOAD_EVENT_BYTES - frame + 1)}))


# Who it is about


@pytest.mark.parametrize(
    ("attributes", "who"),
    [
        ({"subject": "user_id:42"}, (USER,)),
        ({"subject": "user_id:a:b"}, (Identity(Namespace.USER_ID, "a:b"),)),
        ({"subject": "anonymous_id:a-1"}, (Identity(Namespace.ANONYMOUS_ID, "a-1"),)),
        ({"subject": "email:Ann@Example.com"}, (MAIL,)),
        ({"subject": "phone:+49 30 12345678"}, (Identity(Namespace.PHONE, "+493012345678"),)),
        (
            {"subject": "phone:030 12345678", "data": {"customer": {"country": "DE"}}},
            (Identity(Namespace.PHONE, "+493012345678"),),
        ),
        (
            {"data": {"traits": {"phone": "030 12345678", "country": "DE"}}},
            (Identity(Namespace.PHONE, "+493012345678"),),
        ),
        ({"subject": "user_id:42", "data": {"customer": {"phone": "030 12345678", "country": {"code": 1}}}}, (USER,)),
        ({"userid": 42}, (USER,)),
        ({"userid": "42", "anonymousid": "a-1"}, (USER, Identity(Namespace.ANONYMOUS_ID, "a-1"))),
        ({"data": {"customer": {"user_id": 42, "email": "ann@example.com"}}}, (USER, MAIL)),
        ({"data": {"traits": {"email": "ann@example.com"}}}, (MAIL,)),
        ({"subject": "user_id:42", "userid": "43", "data": {"customer": {"user_id": "44"}}}, (USER,)),
        ({"subject": "order:7", "userid": "42", "data": {"customer": {"user_id": "44"}}}, (USER,)),
        ({"subject": "user_id:42", "data": {"customer": {"email": "ann@example.com"}}}, (USER, MAIL)),
    ],
)
def test_who_it_is_about_stands_in_the_subject_an_extension_or_the_data(
    attributes: dict[str, Any], who: tuple[Identity, ...]
) -> None:
    assert understood(event(**{"subject": None, **attributes})).identities == who


@pytest.mark.parametrize("subject", [None, "", "42", "order:7", "user_id:", "user_id:guest", "email:no address"])
def test_an_event_about_nobody_is_refused(subject: str | None) -> None:
    assert refusal(event(subject=subject)).startswith("identity: ")


def test_a_server_gives_consent_and_identifies_by_traits_and_a_public_key_does_neither() -> None:
    data = {"traits": {"plan": "gold"}, "consent": {"sms": True}, "customer": {"email": "Ann@Example.com"}}
    document = event("rapport.customer_identified.v1", data)
    trusted, public = understood(document), understood(document, PUBLIC)
    traits = {"plan": "gold", "email": "ann@example.com"}
    assert trusted.body == CustomerIdentified(traits=traits, consent={"sms": True})
    assert public.body == CustomerIdentified(traits=traits)
    assert (trusted.identities, public.identities) == ((USER, MAIL), (USER,))
    for only in ("email:ann@example.com", "phone:+493012345678"):
        assert refusal({**document, "subject": only}, PUBLIC).startswith("identity: nobody is named")


def test_a_public_key_speaks_of_orders_as_claims_only() -> None:
    assert understood(ORDER, PUBLIC).unverified
    assert not understood(ORDER, source("tracking", kind=SourceKind.PUBLIC, allow_orders=True)).unverified
