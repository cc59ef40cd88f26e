"""ABC: customers by the share of revenue that they bring, and the key customers among them.

Pareto's rule as H. F. Dickie applied it to stock ("ABC inventory analysis shoots for dollars, not pennies", Factory
Management and Maintenance 109, 1951): the customers who bring the first 80 % of revenue are A, those who bring the next
15 % B, the rest C. A customer is of the class in which their own revenue begins: the one on the border of 80 % is A.
Equal revenues have one class. Revenue of zero or less brings nothing: it is C, and is taken off no total.
"""

from bisect import bisect_left
from itertools import accumulate
from typing import Final, Literal

import msgspec

from services.segment.domain.rfm import Counts

Class = Literal["A", "B", "C"]
CLASSES: Final[tuple[Class, ...]] = ("A", "B", "C")
ALL: Final = 100  # percent
WHOLE: Final = 10_000  # hundredths of a percent


class AbcRule(msgspec.Struct, frozen=True, kw_only=True):
    """What the classes and the mark mean.

    Revenue is what was paid in the last `window_days`, less refunds. `a_percent` of it are A's, what is left up to
    `b_percent` B's. Key customers are the first `key_percent` of the customers with revenue, if they have ordered at
    least `key_orders` times, ever.
    """

    window_days: int = 365
    a_percent: int = 80
    b_percent: int = 95
    key_percent: int = 1
    key_orders: int = 2


DEFAULT_RULE: Final = AbcRule()


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The least revenue of A, of B and of a key customer, in minor units; None where nobody has revenue."""

    a_from: int | None
    b_from: int | None
    key_from: int | None
    key_orders: int


def bounds(revenue: Counts, rule: AbcRule = DEFAULT_RULE) -> Bounds:
    """Returns the bounds of a base, from its customers by revenue. Exact: all is counted in whole minor units."""
    values = sorted((value for value, customers in revenue.items() if value > 0 and customers > 0), reverse=True)
    if not values:
        return Bounds(a_from=None, b_from=None, key_from=None, key_orders=rule.key_orders)
    customers = [0, *accumulate(revenue[value] for value in values)]
    brought = [0, *accumulate(value * revenue[value] for value in values)]

    def least(before: list[int], percent: int) -> int:
        """Of those before whom less than so many percent of all lie, the least."""
        beyond = bisect_left(before, percent * before[-1], hi=len(values), key=lambda sum_before: ALL * sum_before)
        return values[max(beyond, 1) - 1]

    return Bounds(
        a_from=least(brought, rule.a_percent),
        b_from=least(brought, rule.b_percent),
        key_from=least(customers, rule.key_percent),
        key_orders=rule.key_orders,
    )


def class_of(found: Bounds, revenue: int) -> Class:
    """Returns the class of a customer's revenue."""
    if found.a_from is not None and revenue >= found.a_from:
        return "A"
    return "B" if found.b_from is not None and revenue >= found.b_from else "C"


def is_key(found: Bounds, *, revenue: int, orders: int) -> bool:
    """Returns whether a customer with this revenue and so many orders is a key customer."""
    return found.key_from is not None and revenue >= found.key_from and orders >= found.key_orders


def curve(revenue: Counts) -> tuple[int, ...]:
    """Returns what the first 0 %, 1 %, … 100 % of the customers with revenue bring of it, in hundredths of a percent.

    A part of a percent of customers is rounded up, and the share of revenue down. Empty where nobody has revenue.
    """
    values = sorted((value for value, customers in revenue.items() if value > 0 and customers > 0), reverse=True)
    if not values:
        return ()
    customers = [0, *accumulate(revenue[value] for value in values)]
    brought = [0, *accumulate(value * revenue[value] for value in values)]
    points = []
    for percent in range(ALL + 1):
        first = -(-percent * customers[-1] // ALL)
        group = max(bisect_left(customers, first) - 1, 0)
        points.append(WHOLE * (brought[group] + (first - customers[group]) * values[group]) // brought[-1])
    return tuple(points)
