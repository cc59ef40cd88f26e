"""Money: decimal amounts as senders write them, into integer minor units. No float takes part."""

import re
from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.currencies import DEFAULT_EXPONENT, exponent

REMEMBERED: Final = 4_096  # amounts as texts, and what they are

MAX_MINOR: Final = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
_FLOAT_DIGITS: Final = 15  # every double keeps so many; what has more was computed with floats
_FLOAT_MAX: Final = 10 ** (_FLOAT_DIGITS - DEFAULT_EXPONENT)  # below it, an amount with two decimals has no more
_FLOAT_TAIL: Final = Decimal("0.001")  # of a minor unit; what their arithmetic leaves is far less
_MAX_DIGITS: Final = 20  # before anything is multiplied: 1e999999999 is a short text and a very long number

_CODE: Final = re.compile(r"[A-Z]{3}")


def currency(value: Scalar, *, at: str = "properties.currency") -> str:
    """Returns an ISO 4217 code in capitals. Raises `BadEvent`."""
    code = text(value).upper()
    if not code:
        raise BadEvent(Reason.CURRENCY, f'currency: required; send an ISO 4217 code such as "EUR" in {at}')
    if not _CODE.fullmatch(code):
        raise BadEvent(Reason.CURRENCY, f'currency: not an ISO 4217 code in {at}; send three letters such as "EUR"')
    return code


def minor(amount: Decimal, code: str, *, at: str) -> int:
    """Returns an amount in minor units of its currency. Raises `BadEvent` if it has more decimals than the currency.

    Shops add up prices as floats and send `0.30000000000000004`: such a tail is not a part of the amount.
    """
    if not amount.is_finite() or amount.adjusted() > _MAX_DIGITS:
        raise BadEvent(Reason.AMOUNT, f"{at}: not an amount of money; send a decimal such as 12.50")
    if amount < 0:
        raise BadEvent(Reason.AMOUNT, f"{at}: negative; send amounts, also of refunds, as positive numbers")
    exact = amount.scaleb(exponent(code))
    result = round(exact)
    if exact != result or (amount and amount.adjusted() < -_MAX_DIGITS):
        tail = len(amount.as_tuple().digits) > _FLOAT_DIGITS and abs(exact - result) < _FLOAT_TAIL
        if not tail:
            raise BadEvent(
                Reason.AMOUNT,
                f"{at}: more decimals than {code} has ({exponent(code)}); round it and send it as a text",
            )
    if result > MAX_MINOR:
        raise BadEvent(Reason.AMOUNT, f"{at}: larger than {MAX_MINOR} minor units")
    return result


def plain(value: Any, code: str) -> int | None:
    """Returns `minor` of an amount as JSON has it, where that is quick: in currencies with two decimals. Else None."""
    if exponent(code) != DEFAULT_EXPONENT:
        return None
    if type(value) is str:
        return _KNOWN.get(value) or _read(value)
    if type(value) is float:
        # Of decimals with so few digits each is the nearest to another double.
        if 0 <= value < _FLOAT_MAX:
            found = round(value * 100)
            return found if found / 100 == value else None
    elif type(value) is int and 0 <= value < _FLOAT_MAX:
        return value * 100
    return None


# Shops have few prices. Emptied when it is full.
_KNOWN: Final[dict[str, int]] = {}


def _read(value: str) -> int | None:
    whole, point, cents = value[:-3], value[-3:-2], value[-2:]
    digits = whole + cents
    if point != "." or not whole or len(digits) > _FLOAT_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    if len(_KNOWN) >= REMEMBERED:
        _KNOWN.clear()
    found = _KNOWN[value] = int(digits)
    return found
