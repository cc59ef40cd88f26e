"""SQL on orders beside their rows: whose a source's newest snapshot says they are, what others say of a row, and by
which names payments and orders are known to be one.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

import msgspec

from services.profile.domain.ordering import Word
from shared.contracts.envelope import Stamp
from shared.contracts.orders import Order, merge
from shared.database.database import Work
from shared.database.order_rows import Key
from shared.database.rows import Json, arrays, upsert

SourceOrder = tuple[str, str]  # a source and an order, by its key

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Order).decode
_decode_stamp: Final = msgspec.json.Decoder(Stamp).decode


class OwnerRow(msgspec.Struct, kw_only=True):
    """A `Word` as it is stored: whose an order is by a source's newest snapshot of it."""

    source_id: str
    order_id: str
    profile_id: UUID
    stamp: Json


class MarkRow(msgspec.Struct, kw_only=True):
    """What other customers' events say of an order row."""

    profile_id: UUID
    order_id: str
    mark: Json


class RefRow(msgspec.Struct, kw_only=True):
    """A name of a payment, and a row that has it: a provider's row of payments (`paid`), or a shop's order."""

    ref: str
    profile_id: UUID
    order_id: str
    paid: bool


async def lock(work: Work, names: Iterable[str]) -> None:
    """Makes batches that are about one of these names follow one another until the transaction ends.

    A row lock would not do: of two that come at once, neither has written the row that the other is to find.
    """
    await work.run(
        """
        SELECT pg_advisory_xact_lock(n.key)
          FROM (
               SELECT DISTINCT hashtextextended(name, 0) AS key
                 FROM unnest(CAST(:names AS text[])) AS w(name)
                ORDER BY key
               ) n
        """,
        names=list(names),
    )


async def owners(work: Work, wanted: Collection[SourceOrder]) -> dict[SourceOrder, Word]:
    """Returns whose these orders are, by the ids that stand for them now."""
    keys = sorted(wanted)
    rows = await work.rows(
        """
        SELECT o.source_id, o.order_id, coalesce(a.canonical_id, o.profile_id) AS profile_id,
               CAST(o.stamp AS text) AS stamp
          FROM order_owners o
          JOIN unnest(CAST(:sources AS text[]), CAST(:orders AS text[])) AS w(source_id, order_id)
         USING (source_id, order_id)
          LEFT JOIN profile_aliases a ON a.profile_id = o.profile_id
        """,
        sources=[source for source, _ in keys],
        orders=[order for _, order in keys],
    )
    return {(row.source_id, row.order_id): Word(_decode_stamp(row.stamp), row.profile_id) for row in rows}


async def save_owners(work: Work, changed: Mapping[SourceOrder, Word]) -> None:
    """Keeps whose these orders are now."""
    rows = [
        OwnerRow(source_id=source, order_id=order, profile_id=one.profile_id, stamp=Json(_encode(one.stamp).decode()))
        for (source, order), one in sorted(changed.items())
    ]
    await work.run(upsert("order_owners", OwnerRow, key=("source_id", "order_id")), **arrays(rows, OwnerRow))


async def add_marks(work: Work, marks: Mapping[Key, Order]) -> None:
    """Adds to what is kept of these rows."""
    known = await marks_of(work, marks)
    rows = [
        MarkRow(
            profile_id=key[0], order_id=key[1], mark=Json(_encode(merge(known.get(key, Order()), marks[key])).decode())
        )
        for key in sorted(marks)
    ]
    await work.run(upsert("order_marks", MarkRow, key=("profile_id", "order_id")), **arrays(rows, MarkRow))


async def marks_of(work: Work, keys: Iterable[Key]) -> dict[Key, Order]:
    """Returns what is kept of these rows."""
    wanted = sorted(set(keys))
    rows = await work.rows(
        """
        SELECT profile_id, order_id, CAST(mark AS text) AS mark
          FROM order_marks
          JOIN unnest(CAST(:profiles AS uuid[]), CAST(:orders AS text[])) AS w(profile_id, order_id)
         USING (profile_id, order_id)
           FOR UPDATE OF order_marks
        """,
        profiles=[profile_id for profile_id, _ in wanted],
        orders=[order for _, order in wanted],
    )
    return {(row.profile_id, row.order_id): _decode(row.mark) for row in rows}


async def marks_by_profile(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, dict[str, Order]]:
    """Returns all that is kept of the rows of these canonical profiles, and of those that were merged into them."""
    rows = await work.rows(
        """
        SELECT n.root AS profile_id, m.order_id, CAST(m.mark AS text) AS mark
          FROM (
               SELECT id, id AS root FROM unnest(CAST(:ids AS uuid[])) AS w(id)
                UNION ALL
               SELECT profile_id, canonical_id FROM profile_aliases WHERE canonical_id = ANY(CAST(:ids AS uuid[]))
               ) n
          JOIN order_marks m ON m.profile_id = n.id
        """,
        ids=list(profile_ids),
    )
    found: dict[UUID, dict[str, Order]] = {}
    for row in rows:
        mine = found.setdefault(row.profile_id, {})
        mine[row.order_id] = merge(mine.get(row.order_id, Order()), _decode(row.mark))
    return found


async def add_refs(work: Work, refs: Collection[RefRow]) -> None:
    """Keeps by which names of payments these rows are known."""
    rows = sorted(refs, key=lambda one: (one.ref, one.profile_id, one.order_id))
    await work.run(
        upsert("payment_refs", RefRow, key=("ref", "profile_id", "order_id"), only_changed=True), **arrays(rows, RefRow)
    )


async def rows_by_refs(work: Work, refs: Collection[str]) -> list[RefRow]:
    """Returns the rows that are known by these names of payments."""
    rows = await work.rows(
        """
        SELECT p.ref, coalesce(a.canonical_id, p.profile_id) AS profile_id, p.order_id, p.paid
          FROM payment_refs p
          LEFT JOIN profile_aliases a ON a.profile_id = p.profile_id
         WHERE p.ref = ANY(CAST(:refs AS text[]))
        """,
        refs=sorted(refs),
    )
    return [RefRow(**row._mapping) for row in rows]


async def paid_rows(work: Work, profile_ids: Collection[UUID]) -> dict[Key, Order]:
    """Returns those orders of these customers of which a payment provider tells payments."""
    rows = await work.rows(
        """
        SELECT profile_id, order_id, CAST(facts AS text) AS facts
          FROM orders
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND facts ? 'payments'
        """,
        ids=sorted(profile_ids),
    )
    return {(row.profile_id, row.order_id): _decode(row.facts) for row in rows}


async def namesakes(work: Work, wanted: Collection[tuple[UUID, str]]) -> dict[Key, Order]:
    """Returns the orders of these customers that have these ids, in whatever space."""
    pairs = sorted(wanted)
    rows = await work.rows(
        """
        SELECT o.profile_id, o.order_id, CAST(o.facts AS text) AS facts
          FROM orders o
          JOIN unnest(CAST(:profiles AS uuid[]), CAST(:ids AS text[])) AS w(profile_id, id)
            ON w.profile_id = o.profile_id AND split_part(o.order_id, chr(31), 1) = w.id
        """,
        profiles=[profile_id for profile_id, _ in pairs],
        ids=[one for _, one in pairs],
    )
    return {(row.profile_id, row.order_id): _decode(row.facts) for row in rows}
