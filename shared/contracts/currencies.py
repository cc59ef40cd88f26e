"""Currencies' decimals: how many digits of an amount are minor units."""

from collections.abc import Mapping
from typing import Final

# Source: ISO 4217:2015, list one (maintained by SIX), column "Mnr unt", where it is not 2.
EXPONENTS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
         "XOF", "XPF"),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
DEFAULT_EXPONENT: Final = 2


def exponent(currency: str) -> int:
    """Returns how many decimals a currency has."""
    return EXPONENTS.get(currency, DEFAULT_EXPONENT)
