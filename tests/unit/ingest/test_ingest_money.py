"""Amounts become minor units exactly, or are refused."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import money
from shared.contracts.currencies import exponent

CURRENCIES = st.sampled_from(["EUR", "USD", "CNY", "JPY", "KRW", "KWD", "TND", "CLF"])


@given(minor=st.integers(0, money.MAX_MINOR), code=CURRENCIES)
def test_every_amount_that_a_currency_can_say_is_kept_exactly(minor: int, code: str) -> None:
    amount = Decimal(minor).scaleb(-exponent(code))
    assert money.minor(amount, code, at="total") == minor


@given(minor=st.integers(0, 10**12), code=CURRENCIES, zeros=st.integers(0, 6))
def test_zeros_at_the_end_change_nothing(minor: int, code: str, zeros: int) -> None:
    amount = Decimal(f"{Decimal(minor).scaleb(-exponent(code)):f}")
    longer = Decimal(f"{amount:f}{'' if '.' in f'{amount:f}' else '.'}{'0' * zeros}")
    assert money.minor(longer, code, at="total") == minor


@given(minor=st.integers(0, 10**12), code=CURRENCIES, extra=st.integers(1, 9))
def test_more_decimals_than_the_currency_has_are_refused(minor: int, code: str, extra: int) -> None:
    amount = Decimal(minor * 10 + extra).scaleb(-exponent(code) - 1)
    with pytest.raises(BadEvent, match=f"total: more decimals than {code} has") as refused:
        money.minor(amount, code, at="total")
    assert refused.value.reason is Reason.AMOUNT


@given(prices=st.lists(st.integers(0, 10**7), min_size=1, max_size=50), code=CURRENCIES)
def test_a_sum_of_floats_is_the_amount_that_it_stands_for(prices: list[int], code: str) -> None:
    total = sum(price / 10 ** exponent(code) for price in prices)
    assert money.minor(Decimal(repr(total)), code, at="total") == sum(prices)


@given(
    amount=st.one_of(
        st.integers(-2, 10**16),
        st.floats(0, 1e15, allow_nan=False),
        st.integers(0, 10**15).map(lambda cents: cents / 100),
        st.decimals(0, 10**12, places=2).map(str),
        st.from_regex(r"[0-9.٣_+-]{1,8}", fullmatch=True),
    ),
    code=CURRENCIES,
)
def test_an_amount_that_is_read_at_a_glance_is_what_a_closer_look_finds(amount: int | float | str, code: str) -> None:
    found = money.plain(amount, code)
    if found is not None:
        written = amount if isinstance(amount, str) else json.dumps(amount)
        assert found == money.minor(Decimal(written), code, at="total")


@pytest.mark.parametrize("amount", ["29.95", 29.95])
def test_prices_are_read_at_a_glance(amount: float | str) -> None:
    assert money.plain(amount, "EUR") == 2995


@pytest.mark.parametrize("amount", ["0.3049999999999999", "0.1234567890123456", "0.01001", "1234567890123.456"])
def test_many_decimals_that_are_no_tail_of_a_float_are_refused(amount: str) -> None:
    with pytest.raises(BadEvent, match="total: more decimals than EUR has"):
        money.minor(Decimal(amount), "EUR", at="total")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1", "1e999999999", "1e17", "1e-999999999", "9007199254740992"])
def test_what_is_no_sensible_amount_is_refused_at_once(amount: str) -> None:
    with pytest.raises(BadEvent):
        money.minor(Decimal(amount), "EUR", at="total")


def test_yen_have_no_decimals_and_dinars_have_three() -> None:
    assert money.minor(Decimal(1200), "JPY", at="total") == 1200
    assert money.minor(Decimal("1.234"), "KWD", at="total") == 1234
    assert money.minor(Decimal("12.3"), "EUR", at="total") == 1230


def test_a_currency_is_three_letters_in_capitals() -> None:
    assert money.currency(" eur ") == "EUR"
    for wrong in (None, "", "EURO", "€", 978):
        with pytest.raises(BadEvent, match=r"^currency: ") as refused:
            money.currency(wrong)
        assert refused.value.reason is Reason.CURRENCY
