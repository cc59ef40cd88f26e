"""ABC by share of revenue, and the key customers."""

from collections import Counter
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.abc import AbcRule, bounds, class_of, curve, is_key
from tests.support.examples import at_least

revenues = st.lists(st.integers(-50, 200), min_size=1, max_size=60)


@given(revenues)
@settings(max_examples=at_least(200))
def test_a_customer_is_of_the_class_in_which_their_revenue_begins(base: list[int]) -> None:
    found = bounds(Counter(base))
    total = sum(one for one in base if one > 0)

    for revenue in base:
        if revenue <= 0:
            expected = "C"
        else:
            before = Fraction(sum(one for one in base if one > revenue), total)
            expected = "A" if before < Fraction(80, 100) else "B" if before < Fraction(95, 100) else "C"
        assert class_of(found, revenue) == expected


@given(revenues)
@settings(max_examples=at_least(150))
def test_a_brings_at_least_its_share_and_no_customer_more_than_it_takes(base: list[int]) -> None:
    found = bounds(Counter(base))
    total = sum(one for one in base if one > 0)
    a = [one for one in base if class_of(found, one) == "A"]

    assert 100 * sum(a) >= 80 * total
    if a:
        assert 100 * sum(one for one in a if one > min(a)) < 80 * total


@given(revenues, st.integers(1, 100))
@settings(max_examples=at_least(150))
def test_key_customers_are_the_first_percent_of_those_with_revenue(base: list[int], percent: int) -> None:
    found = bounds(Counter(base), AbcRule(key_percent=percent, key_orders=1))
    paying = [one for one in base if one > 0]

    for revenue in base:
        ahead = sum(one > revenue for one in paying)
        assert is_key(found, revenue=revenue, orders=1) is (revenue > 0 and 100 * ahead < percent * len(paying))


def test_where_nobody_has_revenue_all_are_c_and_none_is_key() -> None:
    found = bounds(Counter([0, 0, -5]))

    assert {class_of(found, revenue) for revenue in (-5, 0, 10)} == {"C"}
    assert not is_key(found, revenue=10, orders=9)


def test_equal_revenues_have_one_class() -> None:
    found = bounds(Counter([10] * 10))

    assert class_of(found, 10) == "A"
    assert class_of(found, 9) == "C"


def test_the_example_of_the_documentation() -> None:
    found = bounds(Counter([600, 150, 100, 60, 50, 30, 10, 0]))

    assert {revenue: class_of(found, revenue) for revenue in (600, 150, 100, 60, 50, 30, 10, 0)} == {
        600: "A",
        150: "A",
        100: "A",
        60: "B",
        50: "B",
        30: "C",
        10: "C",
        0: "C",
    }


def test_a_key_customer_has_ordered_more_than_once() -> None:
    found = bounds(Counter([100, 20, 10]))

    assert is_key(found, revenue=100, orders=2)
    assert not is_key(found, revenue=100, orders=1)
    assert not is_key(found, revenue=20, orders=2)


@given(revenues)
@settings(max_examples=at_least(100))
def test_the_curve_is_what_the_first_customers_bring(base: list[int]) -> None:
    paying = sorted((one for one in base if one > 0), reverse=True)
    found = curve(Counter(base))

    if not paying:
        assert found == ()
        return
    firsts = [-(-percent * len(paying) // 100) for percent in range(101)]
    assert list(found) == [10_000 * sum(paying[:first]) // sum(paying) for first in firsts]
