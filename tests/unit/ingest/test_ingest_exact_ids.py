"""Ids in rows of files: as they were before a data frame or a spreadsheet had them, or refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats.exact_ids import exact
from services.ingest.domain.values.exact import MAX_EXACT


@given(st.integers(-MAX_EXACT + 1, MAX_EXACT - 1))
def test_an_id_that_a_double_holds_exactly_is_a_whole_number_again(number: int) -> None:
    message = {
        "userId": float(number),
        "context": {"traits": {"phone": float(number)}, "locale": 1.0},
        "traits": {"loyalty_id": float(number), "age": 41.0},
        "properties": {"order_id": float(number), "total": 10.0, "products": [{"productId": float(number)}, 5.0]},
    }
    found = exact(message)
    assert found == message
    ids = [found["userId"], found["context"]["traits"]["phone"], found["traits"]["loyalty_id"]]
    ids += [found["properties"]["order_id"], found["properties"]["products"][0]["productId"]]
    assert {type(one) for one in ids} == {int}
    assert type(found["properties"]["total"]) is float


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"userId": "5.2E+12"}, "userId: '5.2E[+]12' was shortened by a spreadsheet"),
        ({"anonymousId": " 5,2E+12 "}, "was shortened by a spreadsheet"),
        ({"traits": {"phone": "4.91512E+11"}}, "traits.phone: '4.91512E[+]11' was shortened"),
        ({"properties": {"order_id": "1E+05"}}, "properties.order_id: '1E[+]05' was shortened"),
        ({"properties": {"products": [{"sku": "8.71E+12"}]}}, r"properties.products\[0\].sku"),
        ({"properties": {"order_id": '="00123"'}}, "a spreadsheet's formula"),
        ({"userId": "#N/A"}, "a spreadsheet's error"),
        ({"userId": "########"}, "a spreadsheet's error"),
        ({"userId": "1001.0"}, "was kept as a double"),
        ({"userId": 1001.5}, "has a fraction"),
        ({"userId": float(MAX_EXACT)}, "larger than what a double holds exactly"),
        ({"context": {"traits": {"customer_id": 2.0**60}}}, "larger than what a double holds exactly"),
    ],
)
def test_an_id_that_has_lost_digits_is_refused(message: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadEvent, match=reason) as refusal:
        exact(message)
    assert refusal.value.reason in (Reason.IDENTITY, Reason.MALFORMED)


@pytest.mark.parametrize(
    "value", ["1E5", "12E3", "4E10", "A-1", "1001", "v1.0", "1.2.0", "#12", "", None, True, 2**70, {}, []]
)
def test_an_id_that_only_looks_so_stays(value: Any) -> None:
    message = {"userId": value, "properties": {"order_id": value, "sku": "2.0"}}
    assert exact(message) == message
