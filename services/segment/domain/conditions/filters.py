"""Filters on events' properties in SQL, by PostgreSQL's own paths into documents, in their lax mode."""

import json
from typing import Final

import msgspec

from services.segment.domain.conditions.query import Query
from shared.contracts.property_filter import PropertyFilter

_COMPARED: Final = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def filters_sql(filters: tuple[PropertyFilter, ...], query: Query, column: str = "h.properties", depth: int = 0) -> str:
    """Returns the expression that is true where a document matches all filters; it is never NULL."""
    return " AND ".join(f"({_filter_sql(one, query, column, depth)})" for one in filters) or "TRUE"


def _filter_sql(one: PropertyFilter, query: Query, column: str, depth: int) -> str:
    path = "$" + "".join(f".{json.dumps(name)}" for name in one.property.split("."))
    if one.op == "exists":
        return _exists(query, column, f"{path} ? (@ != null)")
    if one.op == "missing":
        return f"NOT {_exists(query, column, f'{path} ? (@ != null)')}"
    if one.op in ("ne", "not_in"):
        there = _exists(query, column, f"{path} ? (@ != null)")
        return f"{there} AND NOT {_equal(one, query, column, path)}"
    if one.op in ("eq", "in"):
        return _equal(one, query, column, path)
    if one.op in _COMPARED:
        return _exists(query, column, f"{path} ? (@ {_COMPARED[one.op]} $v)", one.value)
    if one.op == "any":
        return _any(one, query, column, path, depth)
    part = query.value(one.value, "text")
    test = {
        "contains": f"strpos(x #>> '{{}}', {part}) > 0",
        "starts_with": f"starts_with(x #>> '{{}}', {part})",
        "ends_with": f"right(x #>> '{{}}', length({part})) = {part}",
    }[one.op]
    return f"""EXISTS (SELECT FROM jsonb_path_query({column}, {query.value(path + "?(@ != null)", "jsonpath")}) q(x)
                        WHERE jsonb_typeof(x) = 'string' AND {test})"""


def _equal(one: PropertyFilter, query: Query, column: str, path: str) -> str:
    several = list(one.value) if isinstance(one.value, list | tuple) else [one.value]
    return _exists(query, column, f"{path} ? (@ == $v[*])", several)


def _any(one: PropertyFilter, query: Query, column: str, path: str, depth: int) -> str:
    element = f"e{depth}"
    where = filters_sql(one.where, query, f"{element}.element", depth + 1)
    lists = query.value(f"{path}?(@ != null)", "jsonpath")
    return f"""EXISTS (SELECT FROM jsonb_path_query({column}, {lists}) {element}(element)
                        WHERE jsonb_typeof({element}.element) = 'object' AND {where})"""


def _exists(query: Query, column: str, path: str, value: object = None) -> str:
    variables = query.value(msgspec.json.encode({"v": value}).decode(), "jsonb")
    return f"coalesce(jsonb_path_exists({column}, {query.value(path, 'jsonpath')}, {variables}), false)"
