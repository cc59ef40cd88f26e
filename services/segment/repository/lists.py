"""SQL on lists: what they are, and who is on them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import arrays, columns, row_as, rows_as, upsert

# Whether a customer is on a list now. `l` is a row of `list_members`.
_IS_ON: Final = "l.member AND (l.expires_at IS NULL OR l.expires_at > :now)"


class ListRow(msgspec.Struct, kw_only=True):
    """A list, as stored. Of one that is deleted nothing counts but that its id is spent."""

    id: str
    name: str
    description: str
    revision: int
    changed_at: datetime
    author: str
    deleted_at: datetime | None = None


class ListMemberRow(msgspec.Struct, kw_only=True):
    """A customer who is on a list."""

    profile_id: UUID
    expires_at: datetime | None


async def one(work: Work, list_id: str, *, lock: bool = False) -> ListRow | None:
    """Returns a list, locked if asked."""
    return await row_as(
        work,
        ListRow,
        f"SELECT {columns(ListRow)} FROM lists WHERE id = :id{' FOR UPDATE' if lock else ''}",
        id=list_id,
    )


async def page(work: Work, *, after: str | None, limit: int) -> Sequence[ListRow]:
    """Returns a page of lists by id."""
    return await rows_as(
        work,
        ListRow,
        f"""
        SELECT {columns(ListRow)}
          FROM lists
         WHERE deleted_at IS NULL AND (CAST(:after AS text) IS NULL OR id > :after)
         ORDER BY id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )


async def sizes(work: Work, list_ids: Iterable[str]) -> dict[str, int]:
    """Returns how many customers are on each of these lists now; empty ones are left out."""
    rows = await work.rows(
        f"""
        SELECT l.list_id, count(*) AS members
          FROM list_members l
         WHERE l.list_id = ANY(CAST(:ids AS text[])) AND {_IS_ON}
         GROUP BY l.list_id
        """,
        ids=sorted(set(list_ids)),
        now=work.now,
    )
    return {row.list_id: row.members for row in rows}


async def add(work: Work, row: ListRow) -> bool:
    """Adds a list. Returns whether its id was never given before."""
    names = ListRow.__struct_fields__
    added = await work.run(
        f"""
        INSERT INTO lists ({", ".join(names)})
        VALUES ({", ".join(f":{name}" for name in names)})
            ON CONFLICT (id) DO NOTHING
        """,
        **msgspec.structs.asdict(row),
    )
    return added > 0


async def save(work: Work, row: ListRow) -> None:
    """Stores a list that was locked."""
    await work.run(upsert("lists", ListRow, key=("id",)), **arrays([row], ListRow))


async def members(work: Work, list_id: str, *, after: UUID | None, limit: int) -> Sequence[ListMemberRow]:
    """Returns a page of the customers who are on a list now, by id."""
    return await rows_as(
        work,
        ListMemberRow,
        f"""
        SELECT l.profile_id, l.expires_at
          FROM list_members l
         WHERE l.list_id = :list AND {_IS_ON} AND (CAST(:after AS uuid) IS NULL OR l.profile_id > :after)
         ORDER BY l.profile_id
         LIMIT :limit
        """,
        list=list_id,
        after=after,
        limit=limit,
        now=work.now,
    )


async def known_customers(work: Work, profile_ids: Iterable[UUID]) -> set[UUID]:
    """Returns those of these ids that mean a customer; a merged id does, too."""
    rows = await work.rows(
        """
        SELECT w.profile_id
          FROM unnest(CAST(:ids AS uuid[])) AS w(profile_id)
          LEFT JOIN profile_aliases a ON a.profile_id = w.profile_id
          JOIN standings s ON s.profile_id = coalesce(a.canonical_id, w.profile_id)
        """,
        ids=sorted(set(profile_ids)),
    )
    return {row.profile_id for row in rows}
