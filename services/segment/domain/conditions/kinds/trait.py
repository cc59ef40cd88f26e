"""A customer's trait against a value: text, number, flag or list."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.compare import SQL
from services.segment.domain.conditions.customer import Customer, Truth, same
from services.segment.domain.conditions.query import Query
from shared.contracts.property_filter import MAX_VALUES, ORDER, TEXT, exact, is_bound, is_number, is_operand

_LISTS: Final = frozenset({"any_of", "all_of"})
_VALUELESS: Final = frozenset({"exists", "missing"})


Operator = Literal[
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "between",
    "in",
    "not_in",
    "contains",
    "starts_with",
    "ends_with",
    "any_of",
    "all_of",
    "exists",
    "missing",
]


class Trait(Condition, frozen=True, kw_only=True, tag="trait", tag_field="kind"):
    """A trait, by name, against a value.

    A trait that is missing, null, or of another type than the value makes the answer unknown; only `exists` and
    `missing` know what to make of it. Texts are compared by code points: case and accents count.
    """

    name: str
    op: Operator
    value: Any = None

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name, test = self.name, _test(self)
        if self.op in _VALUELESS:
            wanted = self.op == "exists"
            return lambda customer, _: (customer.traits.get(name) is not None) is wanted

        def check(customer: Customer, _: datetime) -> Truth:
            value = customer.traits.get(name)
            return None if value is None else test(value)

        return check

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.traits`."""
        trait = f"(p.traits -> {query.value(self.name, 'text')})"
        there = f"coalesce(jsonb_typeof({trait}) <> 'null', FALSE)"
        if self.op in _VALUELESS:
            return there if self.op == "exists" else f"NOT {there}"
        text, number = f"({trait} #>> '{{}}')", f"CAST({trait} #>> '{{}}' AS numeric)"
        if self.op in ORDER:
            return _case(trait, number=f"{number} {SQL[self.op]} {query.value(self.value, 'numeric')}")
        if self.op == "between":
            low, high = (query.value(one, "numeric") for one in self.value)
            return _case(trait, number=f"{number} BETWEEN {low} AND {high}")
        if self.op in TEXT:
            part = query.value(self.value, "text")
            found = {
                "contains": f"strpos({text}, {part}) > 0",
                "starts_with": f"starts_with({text}, {part})",
                "ends_with": f"right({text}, length({part})) = {part}",
            }
            return _case(trait, string=found[self.op])
        if self.op in _LISTS:
            join = " OR " if self.op == "any_of" else " AND "
            each = (f"{trait} @> {query.value(_json([one]), 'jsonb')}" for one in self.value)
            return _case(trait, array=join.join(each))
        return self._among_sql(query, trait, text, number)

    def _among_sql(self, query: Query, trait: str, text: str, number: str) -> str:
        several = self.value if self.op in ("in", "not_in") else [self.value]
        negated = "NOT " if self.op in ("ne", "not_in") else ""
        texts = [one for one in several if isinstance(one, str)]
        numbers = [one for one in several if is_number(one)]
        flags = [one for one in several if isinstance(one, bool)]
        return _case(
            trait,
            string=f"{negated}{text} = ANY({query.value(texts, 'text[]')})" if texts else "",
            number=f"{negated}{number} = ANY({query.value(numbers, 'numeric[]')})" if numbers else "",
            boolean=f"{negated}CAST({text} AS boolean) = ANY({query.value(flags, 'boolean[]')})" if flags else "",
        )

    def touches(self) -> Iterable[str]:
        """Returns the trait."""
        return (f"trait:{self.name}",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with name and value."""
        if not self.name:
            yield Problem("/name", "must be the name of a trait")
        value = self.value
        several = value if isinstance(value, list | tuple) else ()
        if self.op in _VALUELESS and value is not None:
            yield Problem("/value", f"must be left out: {self.op} takes no value")
        elif self.op in ORDER and not is_bound(value):
            yield Problem("/value", f"must be a number: {self.op} compares numbers; for days use the kind date")
        elif self.op == "between" and not (
            len(several) == 2 and all(is_bound(one) for one in several) and exact(several[0]) <= exact(several[1])
        ):
            yield Problem("/value", "must be two numbers, the lesser first: both are in")
        elif self.op in TEXT and not (isinstance(value, str) and value):
            yield Problem("/value", f"must be a text that is not empty: {self.op} looks into texts")
        elif self.op in ("eq", "ne") and not is_operand(value):
            yield Problem("/value", "must be a text, a number, or true or false")
        elif self.op in ("in", "not_in", *_LISTS) and not (
            0 < len(several) <= MAX_VALUES and all(is_operand(one) for one in several)
        ):
            yield Problem("/value", f"must be a list of 1 to {MAX_VALUES} texts, numbers or flags")


def _test(trait: Trait) -> Callable[[Any], Truth]:
    """Returns what the trait's value, which is there, must fulfil."""
    op, wanted = trait.op, trait.value
    if op in ORDER:
        compare, bound = ORDER[op], exact(wanted)
        return lambda value: compare(exact(value), bound) if is_number(value) else None
    if op == "between":
        low, high = (exact(one) for one in wanted)
        return lambda value: bool(low <= exact(value) <= high) if is_number(value) else None
    if op in TEXT:
        look = TEXT[op]
        return lambda value: look(value, wanted) if isinstance(value, str) else None
    if op == "any_of":
        return lambda value: _has(value, wanted, any)
    if op == "all_of":
        return lambda value: _has(value, wanted, all)
    several = wanted if op in ("in", "not_in") else [wanted]
    negated = op in ("ne", "not_in")

    def among(value: Any) -> Truth:
        answers = [same(value, one) for one in several]
        if all(one is None for one in answers):
            return None
        return any(answers) is not negated

    return among


def _has(value: Any, wanted: Iterable[Any], of: Callable[[Iterable[bool]], bool]) -> Truth:
    if not isinstance(value, list | tuple):
        return None
    return of(any(same(one, other) is True for one in value) for other in wanted)


def _case(trait: str, **by_type: str) -> str:
    cases = " ".join(f"WHEN '{kind}' THEN {test}" for kind, test in by_type.items() if test)
    return f"(CASE jsonb_typeof({trait}) {cases} END)"


def _json(value: list[Any]) -> str:
    return json.dumps([float(one) if isinstance(one, Decimal) else one for one in value])
