"""JMESPath expressions (https://jmespath.org): where in a payload something is found."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import jmespath
from jmespath.visitor import TreeInterpreter

from services.ingest.domain.definitions.budget import SIZE_OF_A_STEP, Budget
from services.ingest.domain.errors import BadDefinition, BadEvent, Reason

MAX_EXPRESSION: Final = 500  # characters

Finder = Callable[[Any, Budget], Any]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
# The nodes that make something new, where the others point to a part of what is there.
_MAKING: Final = frozenset(
    {
        "multi_select_list",
        "multi_select_dict",
        "flatten",
        "projection",
        "value_projection",
        "filter_projection",
        "slice",
        "function_expression",
    }
)
# What the library raises beside its own errors, for expressions or values that it does not expect.
_LIBRARY: Final = (
    jmespath.exceptions.JMESPathError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


class _Interpreter(TreeInterpreter):  # type: ignore[misc] # the library has no types
    """Evaluates an expression within a budget."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget

    def visit(self, node: Any, *arguments: Any, **named: Any) -> Any:
        """Visits a node, which is one step."""
        self._budget.step()
        found = super().visit(node, *arguments, **named)
        if node["type"] in _MAKING and isinstance(found, dict | list | str):
            self._budget.size(found)
        return found

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compares the whole of two values."""
        found = [self.visit(child, value) for child in node["children"]]
        for one in found:
            self._budget.work(one)
        return super().visit_comparator({**node, "children": [_literal(one) for one in found]}, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Calls a function, which may read all of its arguments."""
        arguments = [self.visit(child, value) for child in node["children"]]
        for child, one in zip(node["children"], arguments, strict=True):
            if child["type"] != "expref":
                self._budget.work(one)
        if node["value"] == "join" and len(arguments) == 2 and all(isinstance(one, str | list) for one in arguments):
            self._budget.step(len(arguments[0]) * len(arguments[1]) // SIZE_OF_A_STEP)  # the separator is repeated
        return self._functions.call_function(node["value"], arguments)


def _member(name: str, payload: Any, budget: Budget) -> Any:
    found = payload.get(name) if isinstance(payload, dict) else None
    budget.spend(found)
    return found


def _literal(value: Any) -> Any:
    return {"type": "literal", "value": value, "children": []}


def finder(at: str, expression: str) -> Finder:
    """Returns a function that finds what an expression names; None if there is nothing.

    Raises `BadDefinition`, naming `at`. The function raises `BadEvent` if the expression can't be applied, or once its
    budget is spent. What it finds counts as made.
    """
    if len(expression) > MAX_EXPRESSION:
        raise BadDefinition(f"{at}: {len(expression)} characters; at most {MAX_EXPRESSION}")
    if _NAME.fullmatch(expression):  # as nearly every column of a file is
        return partial(_member, expression)
    try:
        parsed = jmespath.compile(expression).parsed
    except _LIBRARY as error:
        raise BadDefinition(f"{at}: {expression!r} is not a JMESPath expression: {error}") from None

    def find(payload: Any, budget: Budget) -> Any:
        try:
            found = _Interpreter(budget).visit(parsed, payload)
            budget.spend(found)
        except _LIBRARY as error:
            text = f"{at}: {error}; change the source's mapping, or send what it expects"
            raise BadEvent(Reason.MAPPING, text) from None
        return found

    return find


def names_in(expression: str) -> frozenset[str]:
    """Returns every name in an expression, wherever it stands; none if the expression is invalid."""
    if _NAME.fullmatch(expression):
        return frozenset({expression})
    try:
        return frozenset(_names(jmespath.compile(expression).parsed))
    except _LIBRARY:
        return frozenset()


def _names(node: Any) -> Iterator[str]:
    if node["type"] == "field":
        yield node["value"]
    for child in node["children"]:
        yield from _names(child)


_ALTERNATIVES: Final = frozenset({"or_expression", "not_null"})
_INWARD: Final = frozenset(
    {
        "subexpression",
        "index_expression",
        "pipe",
        "slice",
        "flatten",
        "projection",
        "value_projection",
        "filter_projection",
    }
)


def outer_names(expression: str, *, through: str = "") -> tuple[frozenset[str], ...]:
    """Returns what an expression needs of the object that it is applied to: of each set one name at least.

    The alternatives of `a || b` and `not_null(a, b)` are one set, and none if a literal is among them. Names that stand
    in what `through` finds count, too. Returns nothing for an expression that is invalid.
    """
    if _NAME.fullmatch(expression):
        return (frozenset({expression}),)
    try:
        return tuple(_outer(jmespath.compile(expression).parsed, through))
    except _LIBRARY:
        return ()


def _outer(node: Any, through: str) -> list[frozenset[str]]:
    kind, children = node["type"], node["children"]
    if kind == "field":
        return [frozenset({node["value"]})]
    if kind == "expref":
        return []
    if kind in _INWARD:
        first = _outer(children[0], through)
        if first != [frozenset({through})]:
            return first
        return [*first, *(one for child in children[1:] for one in _outer(child, through))]
    found = [_outer(child, through) for child in children]
    if kind in _ALTERNATIVES or (kind == "function_expression" and node["value"] in _ALTERNATIVES):
        return [frozenset().union(*(names for one in found for names in one))] if all(found) else []
    return [names for one in found for names in one]
