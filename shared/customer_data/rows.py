"""Rows of one customer, from every table that has any."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from shared.database.database import Work

OF_CUSTOMER: Final = "{} = ANY(CAST(:ids AS uuid[]))"
NOT_TOLD: Final = frozenset({"erasures", "profile_aliases"})  # ids alone, which the answer begins with


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service keeps something of customers, beside the tables that have their id in a column `profile_id`.

    `columns` names the column of tables that have it under another name. `parts` are tables whose rows belong to rows
    of another one: the column that names those by their `id`, and the table.
    """

    columns: Mapping[str, str] = {}
    parts: Mapping[str, tuple[str, str]] = {}


async def conditions(work: Work, kept: Kept) -> Mapping[str, str]:
    """Returns by table which of its rows are a customer's, whose ids are `:ids`.

    The database is asked, so that the next table of customers is told of without a word anywhere.
    """
    rows = await work.rows(
        """
        SELECT c.table_name
          FROM information_schema.columns c
          JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = current_schema()
           AND c.column_name = 'profile_id'
           AND t.table_type = 'BASE TABLE'
        """
    )
    columns = {**{row.table_name: "profile_id" for row in rows}, **kept.columns}
    found = {name: OF_CUSTOMER.format(column) for name, column in columns.items() if name not in NOT_TOLD}
    for name, (column, of) in kept.parts.items():
        found[name] = f"{column} IN (SELECT id FROM {of} WHERE {found[of]})"
    return {name: found[name] for name in sorted(found)}


async def page(
    work: Work, table: str, condition: str, profile_ids: Sequence[UUID], *, after: int, limit: int
) -> list[str]:
    """Returns rows of a table as JSON objects, in one order, after so many."""
    rows = await work.rows(
        f"""
        SELECT CAST(to_jsonb(t) AS text) AS line
          FROM {table} AS t
         WHERE {condition}
         ORDER BY 1
        OFFSET :after
         LIMIT :limit
        """,
        ids=list(profile_ids),
        after=after,
        limit=limit,
    )
    return [row.line for row in rows]
