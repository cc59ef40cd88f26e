"""What an amount is in another currency, as programmes ask for it."""

from datetime import date
from typing import Final, Protocol


class Rates(Protocol):
    """Rates of exchange, dated."""

    def convert(self, amount_minor: int, from_currency: str, to_currency: str, day: date) -> int | None:
        """Returns the amount in minor units of `to_currency` at the rate of that day (UTC); None without a rate."""
        ...


class _NoRates:
    """Knows no rate: what is in another currency is not counted."""

    def convert(self, amount_minor: int, from_currency: str, to_currency: str, day: date) -> int | None:  # noqa: ARG002
        return amount_minor if from_currency == to_currency else None


NO_RATES: Final[Rates] = _NoRates()
