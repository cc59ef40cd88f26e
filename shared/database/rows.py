"""Rows typed from the database to the API: a row is a struct whose fields are the columns, in both directions.

So a column is one line, of the struct, and no list of names beside lists of types beside lists of values.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec

from shared.database.database import Work

Json = NewType("Json", str)
"""A column of type jsonb, as the text of its value."""

_Row = TypeVar("_Row", bound=msgspec.Struct)

_TYPES: Final[Mapping[Any, str]] = {
    UUID: "uuid",
    str: "text",
    Json: "text",
    int: "bigint",
    float: "double precision",
    bool: "boolean",
    bytes: "bytea",
    datetime: "timestamptz",
}


@lru_cache
def columns(row: type[msgspec.Struct], table: str = "") -> str:
    """Returns the columns of a row for a SELECT, each of this table, if it is given: `s.profile_id, s.version`."""
    before = f"{table}." if table else ""
    return ", ".join(
        f"CAST({before}{one.name} AS text) AS {one.name}" if _plain(one.type) is Json else f"{before}{one.name}"
        for one in msgspec.structs.fields(row)
    )


async def rows_as(work: Work, row: type[_Row], statement: str, **parameters: Any) -> list[_Row]:
    """Returns all rows of a statement whose columns are the fields of `row`, in any order."""
    return [row(**one._mapping) for one in await work.rows(statement, **parameters)]


async def row_as(work: Work, row: type[_Row], statement: str, **parameters: Any) -> _Row | None:
    """Returns the first row of a statement whose columns are the fields of `row`, if there is one."""
    found = await work.row(statement, **parameters)
    return None if found is None else row(**found._mapping)


@lru_cache
def unnest(row: type[msgspec.Struct], name: str) -> str:
    """Returns the FROM of rows that are sent as arrays, one a column: `unnest(…) AS n(profile_id, …)`.

    The parameters are `arrays(rows)`. A column of type jsonb is a text there.
    """
    fields = msgspec.structs.fields(row)
    arrays = ", ".join(f"CAST(:{one.name} AS {_sql_type(one.type)}[])" for one in fields)
    return f"unnest({arrays}) AS {name}({', '.join(one.name for one in fields)})"


def arrays(rows: Sequence[msgspec.Struct], row: type[msgspec.Struct]) -> dict[str, list[Any]]:
    """Returns the parameters of `unnest(row, …)`: the values of these rows, by column."""
    return {name: [getattr(one, name) for one in rows] for name in row.__struct_fields__}


@lru_cache
def values(row: type[msgspec.Struct], name: str) -> str:
    """Returns the columns of `unnest(row, name)` with the types of the table's: a jsonb column's text is cast."""
    return ", ".join(
        f"CAST({name}.{one.name} AS jsonb)" if _plain(one.type) is Json else f"{name}.{one.name}"
        for one in msgspec.structs.fields(row)
    )


@lru_cache
def upsert(table: str, row: type[msgspec.Struct], *, key: tuple[str, ...], only_changed: bool = False) -> str:
    """Returns the statement that stores rows whole, by their key: those that are there are replaced.

    The parameters are `arrays(rows)`; rows sorted by their key keep two of these from waiting for each other. With
    `only_changed` a row that is there as it is stays untouched, and is not counted.
    """
    names = row.__struct_fields__
    changed = [name for name in names if name not in key]
    changes = ",\n               ".join(f"{name} = excluded.{name}" for name in changed)
    here, new = (", ".join(f"{which}.{name}" for name in changed) for which in (table, "excluded"))
    condition = f"WHERE ({here}) IS DISTINCT FROM ({new})" if only_changed else ""
    return f"""
        INSERT INTO {table} ({", ".join(names)})
        SELECT {values(row, "n")}
          FROM {unnest(row, "n")}
            ON CONFLICT ({", ".join(key)})
            DO UPDATE SET {changes}
         {condition}
        """


def _plain(annotation: Any) -> Any:
    """A column's type without None. A document that may be of several types stays what it is."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kinds = [one for one in get_args(annotation) if one is not type(None)]
    return kinds[0] if len(kinds) == 1 else annotation


def _sql_type(annotation: Any) -> str:
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return "text"
    found = _TYPES.get(plain)
    if found is None:
        raise TypeError(f"{plain!r}: no type of column; there are {', '.join(str(one) for one in _TYPES)}")
    return found
