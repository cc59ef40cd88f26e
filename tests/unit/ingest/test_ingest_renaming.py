"""A source's own words for events and properties."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.definitions.renaming import NO_RENAMING, Renamed, Renaming
from services.ingest.domain.errors import BadDefinition, BadEvent
from shared.contracts.events import Item, OrderPlaced
from tests.unit.ingest.test_ingest_normalise import JSON, normalise, request_context

PURCHASE = Renamed(
    event="Order Completed",
    properties={
        "order_id": "transaction",
        "total": "amounts.total",
        "currency": "amounts.currency || 'EUR'",
        "products": "lines[].{product_id: article, price: each, quantity: pieces}",
    },
)


def test_a_shops_own_words_become_a_typed_event() -> None:
    lines = [{"article": "T-1", "each": "29.95", "pieces": 2}]
    properties = {"transaction": 7, "amounts": {"total": "59.90"}, "lines": lines, "note": "hi"}
    raw = {"type": "track", "event": "PURCHASE", "userId": "42", "properties": properties}
    event = normalise(json.dumps(raw).encode(), request_context(renaming=Renaming({"Purchase": PURCHASE})))

    item = Item(sku="T-1", quantity=2, unit_price_minor=2995)
    assert event.body == OrderPlaced(
        order_id="7",
        currency="EUR",
        total_minor=5990,
        items=(item,),
        state="placed",
        extra=properties,  # its own words stay beside ours
    )


def test_what_no_expression_names_stays_as_it_is() -> None:
    renaming = Renaming({"a": Renamed(event="A", properties={"x": "y"})})
    name, properties = renaming.apply("a", b'{"y": 1.10, "z": [1]}')
    assert name == "A"
    assert json.loads(properties) == {"y": 1.10, "z": [1], "x": 1.10}


@given(name=st.text(), properties=st.dictionaries(st.text(), JSON))
def test_without_words_of_its_own_an_event_stays_as_it_is(name: str, properties: dict[str, Any]) -> None:
    raw = json.dumps(properties).encode()
    assert NO_RENAMING.apply(name, raw) == (name, raw)
    assert Renaming({name: Renamed(event="New")}).apply(name, raw) == ("New", raw)


def test_an_expression_that_does_not_fit_refuses_the_event() -> None:
    renaming = Renaming({"a": Renamed(event="A", properties={"total": "sum(lines)"})})
    with pytest.raises(BadEvent, match=r"total: .*; change the source's mapping"):
        renaming.apply("a", b'{"lines": "none"}')


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (
            {"a": Renamed(event="A", properties={"x": "lines["})},
            r"events\.a\.properties\.x: 'lines\[' is not a JMESPath",
        ),
        ({"a": Renamed(event="A", properties={"x": "y" * 501})}, "501 characters; at most 500"),
        ({"a": Renamed(event="A", properties={str(n): "y" for n in range(101)})}, "101; at most 100"),
        ({str(n): Renamed(event="A") for n in range(501)}, "events: 501; at most 500"),
    ],
)
def test_words_that_cant_be_used_say_where_and_why(events: dict[str, Renamed], reason: str) -> None:
    with pytest.raises(BadDefinition, match=reason):
        Renaming(events)
