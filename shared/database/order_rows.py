"""Order rows: one for each (profile, order id), from which figures are derived, in each service that has them.

The contract says how facts about one order merge (`shared.contracts.orders`); this says how what came of it is stored.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from shared.contracts.orders import Order
from shared.database.database import Work
from shared.database.rows import Json, arrays, upsert

Key = tuple[UUID, str]
KEY: Final = ("profile_id", "order_id")

_decode: Final = msgspec.json.Decoder(Order).decode


class OrderRow(msgspec.Struct, kw_only=True):
    """What is stored of an order: its facts, and what follows from them."""

    profile_id: UUID
    order_id: str
    facts: Json
    counts: bool
    currency: str | None
    net_minor: int
    placed_at: datetime | None


class OrderRowWithMargin(OrderRow, kw_only=True):
    """The same with what was refunded, and what is left above the costs, where they are known."""

    refunded_minor: int
    margin_minor: int | None


_Row = TypeVar("_Row", bound=OrderRow)


def rows_of(orders: Mapping[Key, Order], row: type[_Row]) -> list[_Row]:
    """Returns the rows of these orders, sorted by their key."""
    return [_row(key, order, row) for key, order in sorted(orders.items(), key=lambda item: item[0])]


def _row(key: Key, order: Order, row: type[_Row]) -> _Row:
    columns: dict[str, Any] = {
        "profile_id": key[0],
        "order_id": key[1],
        "facts": Json(msgspec.json.encode(order).decode()),
        "currency": order.currency,
    }
    derived = (name for name in row.__struct_fields__ if name not in columns)
    return row(**columns, **{name: getattr(order, name) for name in derived})


async def orders(work: Work, keys: Iterable[Key]) -> dict[Key, Order]:
    """Returns what is known of these (profile, order id)."""
    wanted = sorted(set(keys))
    rows = await work.rows(
        """
        SELECT profile_id, order_id, CAST(facts AS text) AS facts
          FROM orders
          JOIN unnest(CAST(:profiles AS uuid[]), CAST(:orders AS text[])) AS w(profile_id, order_id)
         USING (profile_id, order_id)
        """,
        profiles=[profile_id for profile_id, _ in wanted],
        orders=[order_id for _, order_id in wanted],
    )
    return {(row.profile_id, row.order_id): _decode(row.facts) for row in rows}


async def keys_of(work: Work, profile_ids: Iterable[UUID]) -> list[Key]:
    """Returns the keys of all orders of these profiles."""
    rows = await work.rows(
        """
        SELECT profile_id, order_id
          FROM orders
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY profile_id, order_id
        """,
        ids=sorted(set(profile_ids)),
    )
    return [(row.profile_id, row.order_id) for row in rows]


async def delete_returning(work: Work, profile_ids: Iterable[UUID]) -> dict[Key, Order]:
    """Deletes the orders of merged profiles. Returns them."""
    rows = await work.rows(
        """
        DELETE FROM orders
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
     RETURNING profile_id, order_id, CAST(facts AS text) AS facts
        """,
        ids=sorted(set(profile_ids)),
    )
    return {(row.profile_id, row.order_id): _decode(row.facts) for row in rows}


async def save(work: Work, changed: Mapping[Key, Order], row: type[OrderRow]) -> None:
    """Stores orders whole, as rows of this kind."""
    if changed:
        await work.run(upsert("orders", row, key=KEY), **arrays(rows_of(changed, row), row))
