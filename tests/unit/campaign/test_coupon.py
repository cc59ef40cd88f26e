"""Codes of coupons, and what they can be redeemed for."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.campaign.domain.coupon import ALPHABET, Amount, Coupon, Percent, code_for, normal, refusal

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEN_EUROS: Final = Coupon(
    code="X",
    name="ten",
    profile_id=UUID(int=1),
    value=Amount(amount_minor=1_000, currency="EUR"),
    minimum_minor=5_000,
    issued_at=NOON,
    expires_at=NOON + timedelta(days=30),
)
purposes = st.text(max_size=40)


@given(purposes)
def test_a_code_is_read_back_however_it_is_typed(purpose: str) -> None:
    code = code_for(b"secret", purpose)
    assert normal(code) == code
    assert normal(f" {code[:5].lower()}-{code[5:].replace('0', 'o').replace('1', 'l')} ") == code
    assert code_for(b"another", purpose) != code


@given(purposes, st.integers(0, 9), st.sampled_from(ALPHABET))
def test_one_wrong_character_makes_no_other_code(purpose: str, place: int, wrong: str) -> None:
    code = code_for(b"secret", purpose)
    typed = code[:place] + wrong + code[place + 1 :]
    assert (normal(typed) is None) is (typed != code)


@given(purposes, st.integers(0, 8))
def test_two_neighbours_that_changed_places_are_noticed_nearly_always(purpose: str, place: int) -> None:
    code = code_for(b"secret", purpose)
    typed = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    # The scheme takes the first and the last character of its alphabet for each other, as Luhn does 09 and 90.
    if typed != code and {code[place], code[place + 1]} != {ALPHABET[0], ALPHABET[-1]}:
        assert normal(typed) is None


@pytest.mark.parametrize(
    ("changes", "order", "why"),
    [
        ({}, {}, None),
        ({}, {"total_minor": 4_999}, "below_minimum"),
        ({}, {"currency": "USD"}, "other_currency"),
        ({"value": Percent(percent=10)}, {"currency": "USD"}, None),
        ({}, {"now": NOON + timedelta(days=30)}, "expired"),
        ({"redeemed_at": NOON, "order_id": "1"}, {}, None),
        ({"redeemed_at": NOON, "order_id": "2"}, {}, "redeemed"),
        ({"redeemed_at": NOON, "order_id": "1"}, {"now": NOON + timedelta(days=31)}, None),
    ],
)
def test_a_coupon_is_redeemed_once_in_time_and_for_enough(
    changes: dict[str, Any], order: dict[str, Any], why: str | None
) -> None:
    asked: dict[str, Any] = {"order_id": "1", "total_minor": 5_000, "currency": "EUR", "now": NOON} | order
    assert refusal(structs.replace(TEN_EUROS, **changes), **asked) == why
