"""Converting money by dated exchange rates: exactly, and only where there is a rate.

A conversion takes, of each rate that it needs, that of the day, else that of the nearest earlier day, at most
`MAX_AGE_DAYS` before: banks publish none on weekends and holidays. It takes the rate from one currency to the other if
there is one, else the inverse of the rate back, else the two by way of a third currency (that whose older rate is
newest; of equals the first by its code). Arithmetic is on fractions; the result is rounded once, to the minor unit,
half to even.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from shared.contracts.currencies import exponent

MAX_AGE_DAYS: Final = 10  # the longest holidays of banks, and a weekend at their end

Pair = tuple[str, str]


class Rate(NamedTuple):
    """What one unit of a currency was worth in another: exactly, and by a rate of which day (of two, the older)."""

    value: Fraction
    day: date


class _Dated(NamedTuple):
    days: tuple[date, ...]
    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class RateTable:
    """Rates by pair of currencies and day. Immutable; the order in which they were given does not matter."""

    pairs: Mapping[Pair, _Dated]
    neighbours: Mapping[str, frozenset[str]]

    def stated(self, base: str, quote: str, day: date, *, max_age_days: int = MAX_AGE_DAYS) -> Rate | None:
        """Returns the rate that was stated of this pair, in this direction, for a day; None if there is none."""
        dated = self.pairs.get((base, quote))
        place = bisect_right(dated.days, day) - 1 if dated else -1
        if dated is None or place < 0 or day - dated.days[place] > timedelta(days=max_age_days):
            return None
        return Rate(Fraction(dated.values[place]), dated.days[place])

    def convert(self, amount_minor: int, from_currency: str, to_currency: str, day: date) -> int | None:
        """Returns what `convert` does, by this table."""
        return convert(amount_minor, from_currency, to_currency, day, self)


EMPTY: Final = RateTable({}, {})


def rate_table(rates: Iterable[tuple[str, str, date, Decimal]]) -> RateTable:
    """Returns the table of these rates: base, quote, day, and what a unit of the base is worth. A pair and day stands
    there once.

    Raises ValueError for a rate that is not above 0, and for two of one pair and day.
    """
    by_pair: dict[Pair, dict[date, Decimal]] = {}
    neighbours: dict[str, set[str]] = {}
    for base, quote, day, value in rates:
        if not (value.is_finite() and value > 0):
            raise ValueError(f"{base}/{quote} on {day}: {value} is not above 0")
        dated = by_pair.setdefault((base, quote), {})
        if dated.setdefault(day, value) != value:
            raise ValueError(f"{base}/{quote} on {day}: has two rates")
        neighbours.setdefault(base, set()).add(quote)
        neighbours.setdefault(quote, set()).add(base)
    return RateTable(
        {
            pair: _Dated(tuple(sorted(dated)), tuple(dated[day] for day in sorted(dated)))
            for pair, dated in by_pair.items()
        },
        {one: frozenset(others) for one, others in neighbours.items()},
    )


def rate(base: str, quote: str, day: date, table: RateTable, *, max_age_days: int = MAX_AGE_DAYS) -> Rate | None:
    """Returns what one unit of a currency was worth in another on a day; None: there is no rate."""
    if base == quote:
        return Rate(Fraction(1), day)
    found = _between(base, quote, day, table, max_age_days)
    return found if found is not None else _by_way_of_a_third(base, quote, day, table, max_age_days)


def convert(
    amount_minor: int, base: str, quote: str, day: date, table: RateTable, *, max_age_days: int = MAX_AGE_DAYS
) -> int | None:
    """Returns an amount in minor units of `base` as minor units of `quote`, by the rates of a day; None: there is no
    rate.

    An amount in its own currency stays what it is, without any rate.
    """
    if base == quote:
        return amount_minor
    found = rate(base, quote, day, table, max_age_days=max_age_days)
    if found is None:
        return None
    return round(amount_minor * found.value * Fraction(10) ** (exponent(quote) - exponent(base)))


def _between(base: str, quote: str, day: date, table: RateTable, max_age_days: int) -> Rate | None:
    if (direct := table.stated(base, quote, day, max_age_days=max_age_days)) is not None:
        return direct
    if (back := table.stated(quote, base, day, max_age_days=max_age_days)) is not None:
        return Rate(1 / back.value, back.day)
    return None


def _by_way_of_a_third(base: str, quote: str, day: date, table: RateTable, max_age_days: int) -> Rate | None:
    best: Rate | None = None
    nobody: frozenset[str] = frozenset()
    for third in sorted(table.neighbours.get(base, nobody) & table.neighbours.get(quote, nobody)):
        there = _between(base, third, day, table, max_age_days)
        further = _between(third, quote, day, table, max_age_days)
        if there is None or further is None:
            continue
        older = min(there.day, further.day)
        if best is None or older > best.day:
            best = Rate(there.value * further.value, older)
    return best
