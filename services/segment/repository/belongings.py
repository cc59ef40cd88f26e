"""SQL on what customers were put into by statements: tags and lists; the newest statement counts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from shared.contracts.envelope import Stamp
from shared.database.database import Work


class Statement(NamedTuple):
    """That a customer has a tag, or is on a list, or no more; when that ends, and how it ranks among others."""

    profile_id: UUID
    name: str
    belongs: bool
    expires_at: datetime | None
    stamp: Stamp


class Kind(NamedTuple):
    """The table and columns of a kind of belonging."""

    table: str
    name: str
    belongs: str


TAGS: Final = Kind("customer_tags", "tag", "set")
LISTS: Final = Kind("list_members", "list_id", "member")

_decode: Final = msgspec.json.Decoder(Stamp).decode


async def state(work: Work, kind: Kind, statements: Iterable[Statement]) -> None:
    """Keeps of each customer and name the newest statement. The caller has locked the customers."""
    newest: dict[tuple[UUID, str], Statement] = {}
    for one in statements:
        key = (one.profile_id, one.name)
        if key not in newest or newest[key].stamp < one.stamp:
            newest[key] = one
    known = await _stamps(work, kind, sorted(newest))
    await _store(work, kind, [one for key, one in sorted(newest.items()) if key not in known or known[key] < one.stamp])


async def move(work: Work, kind: Kind, gone: Mapping[UUID, UUID]) -> None:
    """Gives what was stated of merged customers to those who stand for them."""
    rows = await work.rows(
        f"""
        DELETE FROM {kind.table}
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
     RETURNING profile_id, {kind.name} AS name, {kind.belongs} AS belongs, expires_at, CAST(stamp AS text) AS stamp
        """,
        ids=sorted(gone),
    )
    await state(
        work,
        kind,
        (Statement(gone[row.profile_id], row.name, row.belongs, row.expires_at, _decode(row.stamp)) for row in rows),
    )


async def _stamps(work: Work, kind: Kind, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Stamp]:
    rows = await work.rows(
        f"""
        SELECT profile_id, {kind.name} AS name, CAST(stamp AS text) AS stamp
          FROM {kind.table}
          JOIN unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS w(profile_id, {kind.name})
         USING (profile_id, {kind.name})
        """,
        ids=[profile_id for profile_id, _ in keys],
        names=[name for _, name in keys],
    )
    return {(row.profile_id, row.name): _decode(row.stamp) for row in rows}


async def _store(work: Work, kind: Kind, statements: Sequence[Statement]) -> None:
    if not statements:
        return
    await work.run(
        f"""
        INSERT INTO {kind.table} (profile_id, {kind.name}, {kind.belongs}, expires_at, stamp)
        SELECT n.profile_id, n.name, n.belongs, n.expires_at, CAST(n.stamp AS jsonb)
          FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:belongs AS boolean[]),
                      CAST(:expiries AS timestamptz[]), CAST(:stamps AS text[]))
               AS n(profile_id, name, belongs, expires_at, stamp)
            ON CONFLICT (profile_id, {kind.name})
            DO UPDATE SET {kind.belongs} = excluded.{kind.belongs}, expires_at = excluded.expires_at,
                          stamp = excluded.stamp
        """,
        ids=[one.profile_id for one in statements],
        names=[one.name for one in statements],
        belongs=[one.belongs for one in statements],
        expiries=[one.expires_at for one in statements],
        stamps=[msgspec.json.encode(one.stamp).decode() for one in statements],
    )
