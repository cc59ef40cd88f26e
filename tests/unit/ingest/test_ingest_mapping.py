"""Mappings: payloads of any shape become messages, or say what is wrong with them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given

from services.ingest.domain.definitions import mapping
from services.ingest.domain.definitions.mapping import Document, Mapper
from services.ingest.domain.errors import BadDefinition, BadEvent
from shared.contracts.events import Item, OrderPlaced
from tests.unit.ingest.test_ingest_normalise import JSON, normalise, request_context


def mapper(*rules: dict[str, Any]) -> Mapper:
    return Mapper(mapping.parse(json.dumps({"rules": rules}).encode()))


def field(payload: Any, **options: Any) -> Any:
    """What one field comes to."""
    [made] = mapper({"event": "x", "fields": {"it": {"from": "it", **options}}}).apply({"it": payload})
    return made.get("it")


SALE: dict[str, Any] = {
    "when": "kind == 'sale'",
    "event": "Order Completed",
    "fields": {
        "messageId": "receipt",
        "userId": "card.number",
        "timestamp": {"from": "sold", "as": "time", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
        "properties.order_id": "receipt",
        "properties.currency": {"value": "EUR"},
        "properties.total": {"from": "sum", "as": "number", "decimal": ","},
        "properties.products": {
            "each": "lines",
            "fields": {"product_id": "article", "quantity": "pieces", "total": {"from": "sum", "as": "number"}},
        },
    },
}
RECEIPT = {
    "kind": "sale",
    "receipt": "R-7",
    "card": {"number": 42},
    "sold": "31.01.2026 12:30",
    "sum": "1.059,90",
    "lines": [{"article": "T-1", "pieces": 3, "sum": "10.00"}, {"article": "T-2", "sum": "1049.90"}],
}


def test_a_receipt_becomes_an_order_with_its_lines() -> None:
    [message] = mapper(SALE).apply(RECEIPT)
    event = normalise(msgspec.json.encode(message), request_context(historical=True))

    assert event.occurred_at == datetime(2026, 1, 31, 11, 30, tzinfo=UTC)
    assert event.body == OrderPlaced(
        order_id="R-7",
        currency="EUR",
        total_minor=1_059_90,
        items=(
            Item(sku="T-1", quantity=3, unit_price_minor=333, total_minor=1000),
            Item(sku="T-2", quantity=1, unit_price_minor=104990),
        ),
        state="placed",
    )


def test_every_rule_that_applies_makes_its_messages_and_none_makes_none() -> None:
    known = {"type": "identify", "fields": {"userId": "id", "traits.email": "mail"}}
    pages = {"type": "page", "each": "seen", "fields": {"anonymousId": "who", "properties.path": "at"}}
    seen = [{"who": "a", "at": "/"}, {"who": "b", "at": "/tea"}]

    assert mapper(known, pages, SALE).apply({"id": "42", "mail": "", "seen": seen}) == [
        {"userId": "42", "type": "identify"},
        {"anonymousId": "a", "properties": {"path": "/"}, "type": "page"},
        {"anonymousId": "b", "properties": {"path": "/tea"}, "type": "page"},
    ]
    assert mapper(SALE).apply({"kind": "refund"}) == []


def test_the_name_of_an_event_can_stand_in_the_payload() -> None:
    rule = {"event": {"from": "what"}, "fields": {"userId": "who"}}
    assert mapper(rule).apply({"what": "Waved", "who": 1}) == [{"userId": 1, "type": "track", "event": "Waved"}]


@pytest.mark.parametrize(
    ("value", "options", "found"),
    [
        (" a ", {"as": "text"}, "a"),
        (7, {"as": "text"}, "7"),
        ("1,234.50", {"as": "number"}, Decimal("1234.50")),
        ("1 234,5", {"as": "number", "decimal": ","}, Decimal("1234.5")),
        (0.8200000000000001, {"as": "number", "places": 2}, Decimal("0.82")),
        (["0.10", 0.2, 3], {"as": "sum", "places": 2}, Decimal("3.30")),
        ("Yes", {"as": "boolean"}, True),
        (0, {"as": "boolean"}, False),
        ("2026-01-31", {"as": "time", "zone": "Asia/Shanghai"}, "2026-01-30T16:00:00Z"),
        ("2026-01-31T12:00:00+02:00", {"as": "time", "zone": "Asia/Shanghai"}, "2026-01-31T10:00:00Z"),
        (1_769_860_800, {"as": "time", "format": "unix"}, "2026-01-31T12:00:00Z"),
        ("1769860800500", {"as": "time", "format": "unix_ms"}, "2026-01-31T12:00:00.500000Z"),
        ("19970131", {"as": "time", "format": "%Y%m%d"}, "1997-01-31T00:00:00Z"),
        (None, {"default": "none"}, "none"),
        ("", {"default": 0, "as": "number"}, 0),
        (None, {}, None),
    ],
)
def test_a_value_is_read_as_it_is_meant(value: Any, options: dict[str, Any], found: Any) -> None:
    assert field(value, **options) == found


@pytest.mark.parametrize(
    ("value", "options", "reason"),
    [
        ("x", {"as": "number"}, r"rules\[0\]\.fields\.it: 'x' is not a number"),
        (True, {"as": "number"}, "True is not a number"),
        ("nan", {"as": "number"}, "is not a number"),
        ({}, {"as": "text"}, "not a single value"),
        ("maybe", {"as": "boolean"}, "'maybe' is neither true nor false"),
        ("31.1.", {"as": "time"}, "'31.1.' is not a time of the form ISO 8601"),
        ("1e400", {"as": "time", "format": "unix"}, "is not a time of the form unix"),
        ("1 2", {"as": "time", "format": "%d %d"}, "is not a time of the form %d %d"),
        (["9e999999", "9e999999"], {"as": "sum"}, "a sum that is too large to be a number"),
    ],
)
def test_a_value_that_cant_be_read_refuses_the_payload_and_says_where(
    value: Any, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadEvent, match=reason):
        field(value, **options)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "missing required field `rules`"),
        ({"rules": []}, "rules: 0; from 1 to 50"),
        ({"rules": [{"fields": {}}]}, r"rules\[0\]\.event: required"),
        ({"rules": [{"event": "x", "fields": {"a": "b["}}]}, r"rules\[0\]\.fields\.a: 'b\[' is not a JMESPath"),
        ({"rules": [{"event": "x", "fields": {"a": {}}}]}, "give one of from, value and each"),
        ({"rules": [{"event": "x", "fields": {"a": {"from": "b", "value": 1}}}]}, "give one of from, value and each"),
        ({"rules": [{"event": "x", "fields": {"a": {"from": "b", "as": "mood"}}}]}, "Invalid enum value 'mood'"),
        (
            {"rules": [{"event": "x", "fields": {"a": {"from": "b", "as": "time", "zone": "Mars"}}}]},
            "'Mars' is not a time",
        ),
        *(
            (
                {"rules": [{"event": "x", "fields": {"a": {"from": "b", "as": "time", "zone": zone}}}]},
                "is not a time zone",
            )
            for zone in ("Europe", "x" * 5_000, "../UTC", "\0")
        ),
        ({"rules": [{"event": "x", "fields": {"a": "b", "a.c": "d"}}]}, "both a value and what lies in it"),
        ({"rules": [{"event": "x", "fields": {"a": "b"}, "colour": 1}]}, "unknown field `colour`"),
        ({"rules": [{"event": "x", "fields": {str(n): "b" for n in range(201)}}]}, "201; at most 200"),
    ],
)
def test_a_mapping_that_cant_be_used_says_where_and_why(document: Any, reason: str) -> None:
    with pytest.raises(BadDefinition, match=reason):
        Mapper(mapping.parse(json.dumps(document).encode()))


@given(payload=JSON)
def test_any_payload_makes_messages_or_is_refused(payload: Any) -> None:
    try:
        made = mapper(SALE, {"each": "@", "event": "x", "fields": {"a": "b.c"}}).apply(payload)
    except BadEvent:
        return
    assert all(message["type"] == "track" for message in made)


def test_a_mapping_survives_being_written_and_read() -> None:
    document = mapping.parse(json.dumps({"rules": [SALE]}).encode())
    assert msgspec.json.decode(msgspec.json.encode(document), type=Document) == document
