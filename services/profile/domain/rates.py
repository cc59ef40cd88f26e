"""What may be stated as an exchange rate, and which statements change anything."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from shared.contracts.reference import rates_key
from shared.errors import Invalid

EARLIEST: Final = date(1970, 1, 1)
DAYS_AHEAD: Final = 1  # where the day begins earliest it is tomorrow already
MAX_DIGITS: Final = 18  # of a rate, before and after the point together
SMALLEST: Final = Decimal("1e-12")
LARGEST: Final = Decimal("1e12")


class RatePlace(NamedTuple):
    """What a rate is of: a pair of currencies on a day."""

    base: str
    quote: str
    day: date

    @property
    def key(self) -> str:
        """The key under which it is published."""
        return rates_key(self.base, self.quote, self.day.year)


def stated(rates: Iterable[tuple[RatePlace, Decimal]], today: date) -> dict[RatePlace, Decimal]:
    """Returns the rates of a request, each place once.

    Raises `Invalid`, which says by a JSON pointer what is wrong, and what to send.
    """
    found: dict[RatePlace, Decimal] = {}
    for number, (place, rate) in enumerate(rates):
        if (problem := _problem(place, rate, today)) is not None:
            name, words = problem
            raise Invalid(f"/rates/{number}/{name}: {words}")
        if place in found:
            raise Invalid(f"/rates/{number}: {place.base}/{place.quote} on {place.day} stands in this list twice")
        found[place] = rate
    return found


def _problem(place: RatePlace, rate: Decimal, today: date) -> tuple[str, str] | None:
    if place.base == place.quote:
        return "quote", f"is the base, too: a {place.base} is a {place.base}; name another currency"
    if place.day < EARLIEST:
        return "day", f"is before {EARLIEST}"
    if place.day > today + timedelta(days=DAYS_AHEAD):
        return "day", "is in the future: a rate is of a day that has begun"
    if not SMALLEST <= rate <= LARGEST:
        return "rate", "must be from 0.000000000001 to 1000000000000"
    if len(rate.normalize().as_tuple().digits) > MAX_DIGITS:
        return "rate", f"has more than {MAX_DIGITS} digits; round it"
    return None


def text_of(rate: Decimal) -> str:
    """Returns a rate as it is published: plain decimal digits, with no zeros at the end that say nothing."""
    text = format(rate, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def changed(wanted: Mapping[RatePlace, Decimal], known: Mapping[RatePlace, Decimal]) -> dict[RatePlace, Decimal]:
    """Returns the rates that are not known as they are."""
    return {place: rate for place, rate in wanted.items() if known.get(place) != rate}
