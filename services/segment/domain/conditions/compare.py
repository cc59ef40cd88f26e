"""Comparing a number with a bound: the operators of figures, counts, measures and scores, in Python and in SQL."""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

from services.segment.domain.conditions.base import Problem
from services.segment.domain.conditions.query import Query
from shared.contracts.property_filter import ORDER, exact, is_bound

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]

COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    **ORDER,
}
SQL: Final[Mapping[str, str]] = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def test(op: Comparison, bound: Any) -> Callable[[Any], bool]:
    """Returns what compares an exact number with this bound."""
    compare, limit = COMPARE[op], exact(bound)
    return lambda value: compare(value, limit)


def test_sql(value: str, op: Comparison, bound: Any, query: Query) -> str:
    """Returns the expression that compares a numeric expression with this bound."""
    return f"{value} {SQL[op]} {query.value(bound, 'numeric')}"


def problems_of_number(value: object, pointer: str = "/value") -> Iterator[Problem]:
    """Yields what is wrong with a bound."""
    if not is_bound(value):
        yield Problem(pointer, "must be a number from -10^18 to 10^18")
