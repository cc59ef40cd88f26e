"""What can be kept is let through, and what can't is refused with its place; reasons can always be kept."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import keepable
from shared.contracts.keepable import LONG_BYTES, MAX_DEPTH, MAX_DIGITS, MAX_NAME_LENGTH, NotKeepable
from tests.support.unkeepable import VALUES

WITHIN = [
    b"0",
    b'"\\\\u0000"',  # a backslash, and five characters
    b'{"emoji": "\\ud83d\\ude00"}',
    b"1" * MAX_DIGITS,
    b"-1.7976931348623157e308",
    b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
    b'["' + b"[" * 1_000 + b'"]',
    b'["\\"' + b"{" * 1_000 + b'"]',
    b'{"' + b"n" * MAX_NAME_LENGTH + b'": "' + b"x" * 5_000 + b'"}',
]


@pytest.mark.parametrize("raw", WITHIN)
def test_what_is_within_the_bounds_is_kept_as_it_is(raw: bytes) -> None:
    keepable.check(raw)
    assert keepable.decode(raw) == msgspec.json.decode(raw)


@pytest.mark.parametrize("name", VALUES)
def test_what_nobody_can_keep_is_refused(name: str) -> None:
    with pytest.raises(NotKeepable):
        keepable.decode(b'{"outer": ' + VALUES[name] + b"}")


def test_a_refusal_says_where() -> None:
    with pytest.raises(NotKeepable, match=r"^cart\.lines\.1\.sku: a text contains the character U\+0000; remove it$"):
        keepable.decode(b'{"cart": {"lines": [{"sku": "a"}, {"sku": "\\u0000"}]}}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(-(10**1_010), 10**1_010) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("n" * 1_001), inner),
    )
)
def test_the_quick_check_and_msgspec_together_refuse_what_reading_it_all_does(value: object) -> None:
    raw = json.dumps(value).encode()
    assert _quick(raw) == _whole(raw)


def _quick(raw: bytes) -> bool:
    try:
        keepable.check(raw)
        msgspec.json.decode(raw)
    except (NotKeepable, msgspec.MsgspecError):
        return False
    return True


def _whole(raw: bytes) -> bool:
    try:
        keepable.decode(raw)
    except NotKeepable:
        return False
    return True


@given(st.text(), st.integers(1, 50))
def test_a_reason_can_be_kept_and_is_bounded(text: str, limit: int) -> None:
    made = keepable.text(text + "\0\ud800" * 20, limit=limit)
    assert len(made) <= limit
    assert "\0" not in made
    made.encode()


@given(st.recursive(st.text(st.characters(codec="utf-8")), lambda inner: st.lists(inner)))
def test_what_is_written_for_keeping_has_no_nul_and_is_otherwise_the_same(value: object) -> None:
    assert msgspec.json.decode(keepable.encode(value)) == msgspec.json.decode(
        json.dumps(value).replace("\\\\", "\\u005c").replace("\\u0000", "\\ufffd")
    )


def test_a_name_between_escaped_quotes_is_seen_however_short_they_stand() -> None:
    raw = b'{"' + b'\\"' * MAX_NAME_LENGTH + b'n": 1}'
    assert len(raw) > LONG_BYTES
    with pytest.raises(NotKeepable, match="a name is longer than"):
        keepable.check(raw)
