"""Numbers in texts: a sign that may mean two things is not guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.values.number import number


@pytest.mark.parametrize(
    ("text", "point", "expected"),
    [
        ("12.50", "", "12.50"),
        ("-12.50", "", "-12.50"),
        ("−12.50", "", "-12.50"),
        (" 1 234.50 ", "", "1234.50"),
        ("1\u202f234\u202f567", "", "1234567"),
        ("1'234.50", "", "1234.50"),
        ("1’234’567", "", "1234567"),
        ("1,234.50", "", "1234.50"),
        ("1,234,567", "", "1234567"),
        ("12,34,567.00", "", "1234567.00"),
        ("1,234", ".", "1234"),
        ("1e-05", "", "0.00001"),
        (".5", "", "0.5"),
        ("12,50", ",", "12.50"),
        ("1.234,56", ",", "1234.56"),
        ("1.234", ",", "1234"),
        ("1 234,5", ",", "1234.5"),
    ],
)
def test_a_number_is_read_by_the_sign_before_its_decimals(text: str, point: str, expected: str) -> None:
    assert number(text, point) == Decimal(expected)


@pytest.mark.parametrize(
    ("text", "point", "reason"),
    [
        ("12,50", "", 'state it with "decimal"'),
        ("12,5", ".", 'state it with "decimal"'),
        ("1.234,56", "", 'state it with "decimal"'),
        ("1,234", "", "decimals or thousands"),
        ("12.50", ",", "is not a number"),
        ("1,234.50", ",", "is not a number"),
        ("1,2345", ".", "is not a number"),
        ("1 2", "", "is not a number"),
        ("1,234 567", "", "is not a number"),
        ("1_000", "", "is not a number"),
        ("(12.50)", "", "is not a number"),
        ("12.50-", "", "is not a number"),
        ("€12.50", "", "is not a number"),
        ("12.50 EUR", "", "is not a number"),
        ("nan", "", "is not a number"),
        ("Infinity", "", "is not a number"),
        ("5.2E+12", "", "a spreadsheet has shortened"),
        ("5,2E+12", ",", "a spreadsheet has shortened"),
        ("", "", "is not a number"),
    ],
)
def test_what_may_be_another_number_or_none_is_refused(text: str, point: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        number(text, point)


@pytest.mark.parametrize("text", ["1.500", "12.500", "-100.000"])
def test_money_with_three_digits_after_a_point_may_be_thousands(text: str) -> None:
    with pytest.raises(ValueError, match="after its point"):
        number(text, "", of_money=True)
    assert number(text, ".", of_money=True) == number(text, "") == Decimal(text)
    assert number(text, ",", of_money=True) == Decimal(text) * 1000
    assert number("0.500", "", of_money=True) == Decimal("0.5")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_whatever_is_read_of_an_amount_is_that_amount(amount: Decimal) -> None:
    """As programs of each of these countries write it; read by another sign it is refused, or the same."""
    english, plain = f"{amount:,.2f}", f"{amount:.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    swiss = english.replace(",", "'")
    assert number(english, "") == number(plain, "") == number(swiss, "") == number(german, ",") == amount
    for text, point in ((german, ""), (german, "."), (english, ","), (plain, ",")):
        with pytest.raises(ValueError, match="is not a number"):
            number(text, point)
