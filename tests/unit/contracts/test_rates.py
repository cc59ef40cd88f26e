"""Conversions by dated rates: exact, by the nearest earlier day, and never where there is no rate."""

import random
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.currencies import exponent
from shared.contracts.rates import EMPTY, MAX_AGE_DAYS, Rate, RateTable, convert, rate, rate_table
from tests.support.examples import at_least

START = date(2026, 1, 1)
CURRENCIES = ("CNY", "EUR", "JPY", "KWD", "USD")  # of two decimals, none and three

currencies = st.sampled_from(CURRENCIES)
days = st.integers(0, 40).map(lambda number: START + timedelta(days=number))
rates = st.decimals("0.000001", "1000000", places=6)
amounts = st.integers(-(10**12), 10**12)
pairs = st.tuples(currencies, currencies).filter(lambda pair: pair[0] != pair[1])
stated = st.dictionaries(st.tuples(pairs, days), rates, max_size=12)
EXAMPLES = at_least(150)


def table_of(found: Mapping[tuple[tuple[str, str], date], Decimal]) -> RateTable:
    return rate_table((base, quote, day, value) for ((base, quote), day), value in found.items())


def reference(
    base: str, quote: str, day: date, found: Mapping[tuple[tuple[str, str], date], Decimal], max_age: int
) -> Rate | None:
    """By looking at every day of the past, and at every way."""

    def between(one: str, other: str) -> Rate | None:
        for pair, inverse in (((one, other), False), ((other, one), True)):
            for age in range(max_age + 1):
                value = found.get((pair, day - timedelta(days=age)))
                if value is not None:
                    exact = Fraction(value)
                    return Rate(1 / exact if inverse else exact, day - timedelta(days=age))
        return None

    if base == quote:
        return Rate(Fraction(1), day)
    if (direct := between(base, quote)) is not None:
        return direct
    ways = []
    for third in CURRENCIES:
        there, further = between(base, third), between(third, quote)
        if third not in (base, quote) and there is not None and further is not None:
            ways.append(Rate(there.value * further.value, min(there.day, further.day)))
    return max(ways, key=lambda way: way.day) if ways else None  # of equals the first


@given(currencies, currencies, days, stated, st.integers(0, 15))
@settings(max_examples=EXAMPLES)
def test_a_rate_is_that_of_the_nearest_earlier_day_by_the_shortest_way(
    base: str, quote: str, day: date, found: dict[tuple[tuple[str, str], date], Decimal], max_age: int
) -> None:
    assert rate(base, quote, day, table_of(found), max_age_days=max_age) == reference(base, quote, day, found, max_age)


@given(amounts, pairs, days, rates)
@settings(max_examples=EXAMPLES)
def test_a_conversion_is_what_decimal_arithmetic_of_enough_digits_gives(
    amount: int, pair: tuple[str, str], day: date, value: Decimal
) -> None:
    base, quote = pair
    with localcontext(prec=80):
        major = Decimal(amount).scaleb(-exponent(base)) * value
        expected = int(major.scaleb(exponent(quote)).to_integral_value(ROUND_HALF_EVEN))
    table = table_of({(pair, day): value})
    assert convert(amount, base, quote, day, table) == table.convert(amount, base, quote, day) == expected


@given(amounts, amounts, currencies, currencies, days, stated)
@settings(max_examples=EXAMPLES)
def test_more_money_is_never_less_money_and_what_is_owed_is_what_was_had(
    one: int, other: int, base: str, quote: str, day: date, found: dict[tuple[tuple[str, str], date], Decimal]
) -> None:
    table = table_of(found)
    less, more = (convert(amount, base, quote, day, table) for amount in sorted((one, other)))
    if less is None or more is None:
        assert less is more
        return
    assert less <= more
    assert convert(-one, base, quote, day, table) == -(convert(one, base, quote, day, table) or 0)


@given(st.integers(0, 10**12), pairs, days, rates)
@settings(max_examples=EXAMPLES)
def test_there_and_back_again_is_the_same_to_half_a_unit_of_the_other_currency(
    amount: int, pair: tuple[str, str], day: date, value: Decimal
) -> None:
    table, (base, quote) = table_of({(pair, day): value}), pair
    there = convert(amount, base, quote, day, table)
    assert there is not None
    back = convert(there, quote, base, day, table)
    assert back is not None
    unit = Fraction(10) ** (exponent(base) - exponent(quote)) / Fraction(value)
    assert abs(back - amount) <= (unit + 1) / 2


@given(stated, st.randoms(use_true_random=False))
def test_the_order_in_which_rates_are_given_does_not_matter(
    found: dict[tuple[tuple[str, str], date], Decimal], chance: random.Random
) -> None:
    shuffled = list(found.items())
    chance.shuffle(shuffled)
    assert table_of(dict(shuffled)) == table_of(found)


def test_what_has_no_rate_is_not_converted() -> None:
    day = START + timedelta(days=30)
    table = rate_table([("EUR", "USD", START, Decimal("1.1")), ("GBP", "CHF", day, Decimal("1.2"))])
    assert convert(100, "EUR", "USD", START - timedelta(days=1), table) is None  # no rate of the future
    assert convert(100, "EUR", "USD", START + timedelta(days=MAX_AGE_DAYS), table) == 110
    assert convert(100, "EUR", "USD", START + timedelta(days=MAX_AGE_DAYS + 1), table) is None
    assert convert(100, "GBP", "USD", day, table) is None
    assert convert(100, "EUR", "USD", day, EMPTY) is None
    assert convert(100, "XXX", "XXX", day, EMPTY) == 100  # in its own currency it is what it is


def test_halves_go_to_the_even_unit_and_currencies_have_the_decimals_of_iso_4217() -> None:
    table = rate_table(
        [
            ("USD", "EUR", START, Decimal("0.5")),
            ("USD", "JPY", START, Decimal(150)),
            ("USD", "KWD", START, Decimal("0.3")),
        ]
    )
    assert [convert(amount, "USD", "EUR", START, table) for amount in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
    assert convert(10_00, "USD", "JPY", START, table) == 1_500
    assert convert(10_00, "USD", "KWD", START, table) == 3_000
    assert convert(1_500, "JPY", "USD", START, table) == 10_00


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_a_table_takes_no_rate_that_is_none(value: str) -> None:
    with pytest.raises(ValueError, match="EUR/USD on 2026-01-01"):
        rate_table([("EUR", "USD", START, Decimal(value))])


def test_a_pair_has_one_rate_a_day() -> None:
    with pytest.raises(ValueError, match="has two rates"):
        rate_table([("EUR", "USD", START, Decimal(1)), ("EUR", "USD", START, Decimal(2))])
