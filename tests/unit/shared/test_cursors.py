"""Cursors say where the next page begins, and whatever else is sent is refused."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.http import decode_cursor, encode_cursor

Position = tuple[datetime, UUID]


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_leads_back_to_its_position(at: datetime, last: UUID) -> None:
    cursor = encode_cursor(at, last)

    assert decode_cursor(cursor, Position) == (at, last)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


@given(st.text(max_size=40), st.integers(-(2**53), 2**53))
def test_text_and_numbers_make_cursors_too(name: str, number: int) -> None:
    assert decode_cursor(encode_cursor(name, number), tuple[str, int]) == (name, number)


@given(st.text(max_size=60) | st.binary(max_size=40).map(bytes.hex))
def test_garbage_is_invalid_and_nothing_else(garbage: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        decode_cursor(garbage, Position)


@pytest.mark.parametrize(
    "cursor",
    [encode_cursor("yesterday", str(UUID(int=1))), encode_cursor(1, 2), encode_cursor("x"), encode_cursor()],
    ids=["no time", "numbers", "too short", "empty"],
)
def test_a_cursor_of_another_shape_is_invalid(cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        decode_cursor(cursor, Position)
