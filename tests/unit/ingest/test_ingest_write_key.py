"""Write keys are cut out of what is kept."""

import json
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.definitions.source import Source
from services.ingest.domain.definitions.write_key import text_without_write_keys, without_write_keys
from services.ingest.service.sources import new_key
from shared.contracts.envelope import SourceKind
from tests.support.growth import LINEAR, exponent

KEY: Final = "rk_" + "0aB-_" * 8 + "xyz"  # as `new_key` makes them, and the same in every process that collects tests
SIZES: Final = (16_384, 32_768, 65_536, 131_072)  # bytes
ESCAPED: Final = "".join(f"\\u{ord(character):04x}" for character in KEY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"writeKey": "{KEY}", "event": "x"}}',
        f'{{"write\\u004bey": "{KEY}"}}',
        f'{{"\\u0077rite_key": "{KEY}"}}',
        f'{{"context": {{"writeKey": "{KEY}"}}}}',
        f'{{"properties": {{"list": [{{"WRITE-KEY" : "{KEY}"}}]}}}}',
        f'{{"properties": {{"url": "https://shop.example/?writeKey={KEY}&a=1"}}}}',
        f'{{"properties": {{"any": "{ESCAPED}"}}}}',
        f'{{"properties": {{"{KEY}": 1}}}}',
        f'{{"never": "closed {KEY}',
        f"[{KEY}]",
    ],
)
def test_a_write_key_is_never_kept(raw: str) -> None:
    kept = without_write_keys(raw.encode()).decode()
    assert KEY not in kept
    assert ESCAPED not in kept


@pytest.mark.parametrize("name", ["writeKey", "write_key", "WRITEKEY", "write\\u004bey"])
def test_whatever_a_member_of_that_name_says_is_not_kept(name: str) -> None:
    kept = without_write_keys(f'{{"a": {{"{name}" : "old style key", "b": "c"}}}}'.encode())
    assert b"old style" not in kept
    assert json.loads(kept)["a"]["b"] == "c"


def test_the_outermost_member_is_left_out_and_all_else_stays_as_it_came() -> None:
    kept = without_write_keys(b'{"writeKey": "rk_secret", "event": "x", "nested": {"a": 1.50}}')
    assert kept == b'{"event":"x","nested":{"a": 1.50}}'


@given(JSON)
def test_what_has_no_write_key_stays_byte_for_byte(value: Any) -> None:
    for raw in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False, indent=1).encode(errors="replace")):
        assert without_write_keys(raw) == raw


@given(JSON)
def test_what_is_left_is_json_with_the_same_values_elsewhere(value: Any) -> None:
    kept = json.loads(without_write_keys(json.dumps({"before": value, "in": [KEY], "after": value}).encode()))
    assert kept == {"before": value, "in": ["[write key]"], "after": value}


def test_a_reason_that_quotes_a_key_does_not_say_it() -> None:
    assert text_without_write_keys(f"userId: {KEY} is none") == "userId: [write key] is none"


@pytest.mark.parametrize("token", [b'\\"', b'"', b"\\", b'"writeKey":', b"rk_", b"\\u0072"])
def test_the_work_is_linear_in_the_size(token: bytes) -> None:
    grown = exponent(without_write_keys, lambda size: b'{"a":"' + token * (size // len(token)), sizes=SIZES)
    assert grown <= LINEAR


def test_the_key_of_these_tests_has_the_form_of_real_ones() -> None:
    assert len(new_key()) == len(KEY)
    assert new_key().startswith("rk_")


def test_a_source_does_not_show_what_its_webhooks_are_signed_with() -> None:
    source = Source(id=uuid4(), name="shop", kind=SourceKind.SERVER, secret=b"whsec_canary")
    assert "canary" not in repr(source)
