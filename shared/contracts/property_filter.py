"""Filters on one event's own properties: the same for segments, journeys and surveys.

A filter is true or false of an event, never unknown: an event without the property does not match, except where the
filter asks for just that. A property is named by a path (`items.category`); where the path meets a list, any of its
elements may match. To ask several things of one element there is `any`: a line of tea of which there are three.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

Operator = Literal[
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "in",
    "not_in",
    "contains",
    "starts_with",
    "ends_with",
    "exists",
    "missing",
    "any",
]

MAX_FILTERS: Final = 20
MAX_VALUES: Final = 100
MAX_PATH: Final = 200  # characters
MAX_NUMBER: Final = 10**18

ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
TEXT: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "contains": lambda value, part: part in value,
    "starts_with": lambda value, part: value.startswith(part),
    "ends_with": lambda value, part: value.endswith(part),
}
_VALUELESS: Final = frozenset({"exists", "missing", "any"})


class PropertyFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One filter. `value` is a text, a number, a flag, or for `in` and `not_in` several; `where` is for `any` alone.

    | op | an event matches if |
    |---|---|
    | `eq`, `ne` | a value equals it; there are values, and none equals it |
    | `lt`, `le`, `gt`, `ge` | a number is less, at most, greater, at least |
    | `in`, `not_in` | a value is one of these; there are values, and none is one of these |
    | `contains`, `starts_with`, `ends_with` | a text has this part, begins or ends with it; case counts |
    | `exists`, `missing` | there is a value, there is none; null is none |
    | `any` | one element of the list matches all filters in `where` |
    """

    property: str
    op: Operator = "eq"
    value: Any = None
    where: tuple["PropertyFilter", ...] = ()


Match = Callable[[Mapping[str, Any]], bool]


def matches(filters: tuple[PropertyFilter, ...]) -> Match:
    """Returns the closure that says whether properties match all of these filters. They are valid: see `problems`."""
    checks = [_compiled(one) for one in filters]
    if not checks:
        return lambda _: True
    if len(checks) == 1:
        return checks[0]
    return lambda properties: all(check(properties) for check in checks)


def problems(filters: tuple[PropertyFilter, ...]) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with filters: where, as a JSON pointer relative to their list, and what to write instead."""
    if len(filters) > MAX_FILTERS:
        yield "", f"there are {len(filters)} filters; {MAX_FILTERS} are allowed"
    for n, one in enumerate(filters):
        if not one.property or len(one.property) > MAX_PATH or any(not part for part in one.property.split(".")):
            yield f"/{n}/property", "must be the name of a property, or a path of names joined by dots"
        yield from ((f"/{n}{pointer}", detail) for pointer, detail in _problems_of_value(one))


def _problems_of_value(one: PropertyFilter) -> Iterator[tuple[str, str]]:
    if one.op in _VALUELESS and one.value is not None:
        yield "/value", f"must be left out: {one.op} takes no value"
    elif one.op in ORDER and not is_bound(one.value):
        yield "/value", f"must be a number: {one.op} compares numbers"
    elif one.op in TEXT and not (isinstance(one.value, str) and one.value):
        yield "/value", f"must be a text that is not empty: {one.op} looks into texts"
    elif one.op in ("eq", "ne") and not is_operand(one.value):
        yield "/value", "must be a text, a number, or true or false"
    elif one.op in ("in", "not_in"):
        several = one.value if isinstance(one.value, list | tuple) else ()
        if not 0 < len(several) <= MAX_VALUES or not all(is_operand(value) for value in several):
            yield "/value", f"must be a list of 1 to {MAX_VALUES} texts, numbers or flags"
    if one.op == "any" and not one.where:
        yield "/where", "must have the filters that one element of the list has to match"
    elif one.op != "any" and one.where:
        yield "/where", "must be left out: it is for the operator any"
    elif one.op == "any":
        yield from ((f"/where{pointer}", detail) for pointer, detail in problems(one.where))


def leaves(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yields the values at a path: through objects by name, through lists by each element; null is no value."""
    if not path:
        for one in value if isinstance(value, list) else (value,):
            if one is not None:
                yield one
        return
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, Mapping) and path[0] in one:
            yield from leaves(one[path[0]], path[1:])


def is_number(value: object) -> bool:
    """Returns whether a value is a number; a flag is not."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def is_scalar(value: object) -> bool:
    """Returns whether a value is a text, a number or a flag."""
    return isinstance(value, str | bool) or is_number(value)


def is_operand(value: object) -> bool:
    """Returns whether a definition may compare with a value: a text, a flag, or a number up to 10^18."""
    return isinstance(value, str | bool) or is_bound(value)


def is_bound(value: object) -> bool:
    """Returns whether a definition may compare numbers with a value: a number from -10^18 to 10^18."""
    return isinstance(value, int | float) and is_number(value) and abs(value) <= MAX_NUMBER


def exact(value: Any) -> Any:
    """Returns a value with numbers exact: 0.1 is a tenth, however it was read."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def equal(one: Any, other: Any) -> bool:
    """Returns whether two scalars are equal, as JSON has it: true is not 1, and 1.0 is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_number(one) and is_number(other):
        return bool(exact(one) == exact(other))
    return isinstance(one, str) and isinstance(other, str) and one == other


def _compiled(one: PropertyFilter) -> Match:
    path = tuple(one.property.split("."))
    if one.op == "any":
        check = matches(one.where)
        return lambda properties: any(
            check(element) for element in leaves(properties, path) if isinstance(element, Mapping)
        )
    some = _some(one)
    if one.op in ("ne", "not_in"):
        return lambda properties: _none(leaves(properties, path), some)
    if one.op == "missing":
        return lambda properties: not any(True for _ in leaves(properties, path))
    return lambda properties: any(some(value) for value in leaves(properties, path))


def _some(one: PropertyFilter) -> Callable[[Any], bool]:
    """Returns what one value at the path must fulfil."""
    if one.op in ORDER:
        compare, bound = ORDER[one.op], exact(one.value)
        return lambda value: is_number(value) and compare(exact(value), bound)
    if one.op in TEXT:
        test, part = TEXT[one.op], one.value
        return lambda value: isinstance(value, str) and test(value, part)
    if one.op in ("eq", "ne"):
        return lambda value: equal(value, one.value)
    if one.op in ("in", "not_in"):
        return lambda value: any(equal(value, wanted) for wanted in one.value)
    return lambda _: True


def _none(values: Iterator[Any], some: Callable[[Any], bool]) -> bool:
    found = False
    for value in values:
        if some(value):
            return False
        found = True
    return found
