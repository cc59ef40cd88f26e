"""Rows typed in both directions: a struct's fields are the columns, and say how they are sent and read."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import msgspec
import pytest

from shared.database.rows import Json, arrays, columns, unnest, upsert, values


class Colour(StrEnum):
    RED = "red"


class Row(msgspec.Struct):
    id: UUID
    name: str
    colour: Colour
    counts: bool
    net_minor: int | None
    state: Json
    at: datetime | None = None


def test_the_columns_of_a_row_are_read_as_they_are_and_json_as_its_text() -> None:
    assert columns(Row, "r") == ("r.id, r.name, r.colour, r.counts, r.net_minor, CAST(r.state AS text) AS state, r.at")
    assert columns(Row).startswith("id, name, ")


def test_rows_are_sent_as_one_array_a_column_of_its_type() -> None:
    assert unnest(Row, "n") == (
        "unnest(CAST(:id AS uuid[]), CAST(:name AS text[]), CAST(:colour AS text[]), CAST(:counts AS boolean[]), "
        "CAST(:net_minor AS bigint[]), CAST(:state AS text[]), CAST(:at AS timestamptz[])) "
        "AS n(id, name, colour, counts, net_minor, state, at)"
    )
    assert "CAST(n.state AS jsonb)" in values(Row, "n")
    at = datetime(2026, 1, 31, tzinfo=UTC)
    rows = [Row(UUID(int=n), "x", Colour.RED, True, None, Json("{}"), at) for n in range(2)]
    assert arrays(rows, Row)["id"] == [UUID(int=0), UUID(int=1)]
    assert arrays([], Row)["at"] == []


def test_an_upsert_replaces_all_but_the_key_and_only_what_differs_where_it_is_told_so() -> None:
    statements = [upsert("t", Row, key=("id", "name"), only_changed=one) for one in (False, True)]
    always, changed = (" ".join(one.split()) for one in statements)
    assert "ON CONFLICT (id, name) DO UPDATE SET colour = excluded.colour, counts = excluded.counts, " in always
    assert "name = excluded.name" not in always
    assert "DISTINCT" not in always
    assert changed.endswith(
        "WHERE (t.colour, t.counts, t.net_minor, t.state, t.at) IS DISTINCT FROM "
        "(excluded.colour, excluded.counts, excluded.net_minor, excluded.state, excluded.at)"
    )


def test_a_type_that_is_no_columns_is_told() -> None:
    class Odd(msgspec.Struct):
        tags: list[str]

    with pytest.raises(TypeError, match="no type of column"):
        unnest(Odd, "n")
