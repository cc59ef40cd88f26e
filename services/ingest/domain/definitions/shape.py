"""What the properties of an event look like, as far as they were seen, and the schema that they fit.

`merge` is commutative and associative, so samples may be gathered by any number of processes in any order.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

MAX_PROPERTIES: Final = 100  # of one object; the first by name
MAX_VALUES: Final = 12  # distinct texts; a property with more is not an enumeration
MAX_VALUE: Final = 60  # characters of a text that may be one of few
MAX_DEPTH: Final = 6
ENOUGH: Final = 20  # samples, before few values mean that there are only few

TYPES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was seen at one place: how often, of which types; `values` is None where there were too many texts."""

    seen: int = 0
    types: dict[str, int] = {}
    values: dict[str, int] | None = {}
    properties: dict[str, "Shape"] = {}
    items: "Shape | None" = None


NOTHING: Final = Shape()


def shape_of(value: Any, depth: int = 0) -> Shape:
    """Returns the shape of one value."""
    name = TYPES.get(type(value), "string")
    values: dict[str, int] | None = {}
    properties: dict[str, Shape] = {}
    items: Shape | None = None
    if isinstance(value, str):
        values = {value: 1} if len(value) <= MAX_VALUE else None
    elif isinstance(value, dict) and depth < MAX_DEPTH:
        properties = {key: shape_of(value[key], depth + 1) for key in sorted(value)[:MAX_PROPERTIES]}
    elif isinstance(value, list) and depth < MAX_DEPTH:
        items = NOTHING
        for element in value:
            items = merge(items, shape_of(element, depth + 1))
    return Shape(seen=1, types={name: 1}, values=values, properties=properties, items=items)


def merge(one: Shape, other: Shape) -> Shape:
    """Returns the union of what two shapes have seen."""
    if other is NOTHING:
        return one  # all that lies in it stays as it is: each of many elements touches only what it has itself
    if one is NOTHING:
        return other
    names = sorted({*one.properties, *other.properties})[:MAX_PROPERTIES]
    return Shape(
        seen=one.seen + other.seen,
        types=_added(one.types, other.types),
        values=_few(one.values, other.values),
        properties={
            name: merge(one.properties.get(name, NOTHING), other.properties.get(name, NOTHING)) for name in names
        },
        items=other.items if one.items is None else one.items if other.items is None else merge(one.items, other.items),
    )


def schema(shape: Shape) -> dict[str, Any]:
    """Returns a JSON Schema that everything seen fits: a proposal, for people to edit."""
    types = sorted(shape.types)
    if "integer" in types and "number" in types:
        types.remove("integer")
    found: dict[str, Any] = {"type": types[0] if len(types) == 1 else types} if types else {}
    if shape.values and types == ["string"] and shape.seen >= ENOUGH and min(shape.values.values()) > 1:
        found["enum"] = sorted(shape.values)
    if shape.properties:
        objects = shape.types.get("object", 0)
        found["properties"] = {name: schema(inner) for name, inner in sorted(shape.properties.items())}
        required = sorted(name for name, inner in shape.properties.items() if inner.seen == objects)
        if required:
            found["required"] = required
    if shape.items is not None and shape.items.seen:
        found["items"] = schema(shape.items)
    return found


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def _few(one: dict[str, int] | None, other: dict[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        return None
    both = _added(one, other)
    return both if len(both) <= MAX_VALUES else None
