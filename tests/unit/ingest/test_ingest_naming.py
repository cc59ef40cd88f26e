"""Whether something that was refused names a customer."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.naming import names_one_of
from shared.contracts.identity import Identity, Namespace

ANN: Final = (
    Identity(Namespace.USER_ID, "42"),
    Identity(Namespace("user_id@shop-a"), "A-7"),
    Identity(Namespace.EMAIL, "ann@example.com"),
    Identity(Namespace.PHONE, "+4915112345678"),
    Identity(Namespace.ANONYMOUS_ID, "a1b2"),
)


@pytest.mark.parametrize(
    "payload",
    [
        {"userId": "42"},
        {"userId": 42},
        {"customer": {"id": "A-7"}},
        {"traits": {"email": " Ann@Example.COM "}},
        {"note": "please write to <ann@example.com>, thank you"},
        {"ann@example.com": True},
        {"billing": {"phone": "+49 151 123-456-78"}},
        {"billing": {"phone": "0151 12345678"}},
        {"anonymousId": "a1b2"},
        {"batch": [{"type": "track"}, {"type": "identify", "previousId": "42"}]},
    ],
)
def test_a_payload_that_names_the_customer_is_found_in_whatever_form(payload: Any) -> None:
    assert names_one_of(json.dumps(payload).encode(), ANN)


@pytest.mark.parametrize(
    "payload",
    [
        {"userId": "420"},
        {"quantity": 42, "price": "42"},
        {"email": "joann@example.com"},
        {"email": "ann@example.com.invalid"},
        {"phone": "+49 151 99999999"},
        {"orderedAt": "2026-03-01T12:00:00Z"},
    ],
)
def test_a_payload_about_somebody_else_is_not(payload: Any) -> None:
    assert not names_one_of(json.dumps(payload).encode(), ANN)


@pytest.mark.parametrize(
    "line", [b"7,ann@example.com,9.00", b"42,tea", b'"x, y","0151 12345678"', b"{not json ann@example.com"]
)
def test_a_line_of_a_file_and_broken_json_are_searched_too(line: bytes) -> None:
    assert names_one_of(line, ANN)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.binary(max_size=40))
def test_wherever_in_a_payload_the_customers_address_stands_it_is_found_and_no_bytes_are_too_odd(
    other: Any, odd: bytes
) -> None:
    names_one_of(odd, ANN)
    assert names_one_of(json.dumps([other, {"x": other, "to": "ann@example.com"}]).encode(), ANN)
    assert not names_one_of(json.dumps([other]).encode(), ())


def test_a_payload_of_many_levels_is_searched_as_text_below_the_last_that_is_looked_at() -> None:
    deep: Any = "ann@example.com"
    for _ in range(150):
        deep = [deep]
    assert names_one_of(json.dumps(deep).encode(), ANN)
