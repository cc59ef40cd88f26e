"""Reference data, which profile owns and others copy: published whole per key on the compacted topic."""

from typing import Annotated, Final

from msgspec import Meta

from shared.contracts.events import Body

MAX_RATE_TEXT: Final = 40  # characters of a rate

Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
RateText = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=MAX_RATE_TEXT)]


class DatedRate(Body, frozen=True):
    """How many units of the quoted currency one unit of the base was worth on a day; a decimal number, as text."""

    day: Day
    rate: RateText


class RatesPublished(Body, frozen=True):
    """All rates of a pair of currencies in a year, as they stand, by day.

    A reader keeps the highest `version` of a key. `key` is the record's, `rates/<base>/<quote>/<year>`. A rate that is
    corrected comes again with the others.
    """

    key: str
    version: Annotated[int, Meta(ge=0, le=(1 << 62) - 1)]
    base: Currency
    quote: Currency
    year: Annotated[int, Meta(ge=1, le=9999)]
    rates: tuple[DatedRate, ...] = ()


def rates_key(base: str, quote: str, year: int) -> str:
    """Returns the key of a pair's rates of a year."""
    return f"rates/{base}/{quote}/{year:04d}"
