"""SQL on standings and the orders that they follow from."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import structs

from services.segment.domain.standing import Standing
from shared.contracts.orders import Order
from shared.database import order_rows
from shared.database.database import Work
from shared.database.order_rows import OrderRow
from shared.database.rows import arrays, columns, row_as, rows_as, unnest


class Stored(msgspec.Struct, kw_only=True):
    """A customer's row, locked."""

    profile_id: UUID
    version: int
    tier: str
    stage: str
    due_at: datetime | None
    evaluated_at: datetime | None = None
    shop_rhythm_days: int | None = None
    tier_version: int | None = None
    rereading: bool = False


# Of whom everything is read anew, nobody is looked at until that is done.
_REREADING: Final = "EXISTS (SELECT FROM rereads r WHERE r.profile_id = s.profile_id)"
_STORED: Final = ", ".join(
    f"{_REREADING} AS {name}" if name == "rereading" else f"s.{name}" for name in Stored.__struct_fields__
)


class StoredCustomer(msgspec.Struct, kw_only=True):
    """A customer in a list."""

    profile_id: UUID
    tier: str
    stage: str
    recency: int | None
    frequency: int | None
    monetary: int | None
    rfm_group: str | None
    abc: str | None
    key_customer: bool
    orders: int
    window_spend_minor: int
    last_order_at: datetime | None


class StoredStanding(StoredCustomer, kw_only=True):
    """A customer's whole row. Besides its key, version and moment it has the fields of `domain.Standing`."""

    version: int
    spend_minor: int
    revenue_minor: int
    rhythm_days: int
    rhythm_pauses: int
    shop_rhythm_days: int | None
    tier_reason: str
    stage_reason: str
    due_at: datetime | None
    evaluated_at: datetime | None
    tier_version: int | None
    tier_figure: int | None
    tier_since: datetime | None
    tier_by_hand: bool
    downgrade_at: datetime | None
    downgrade_to: str | None
    downgrade_warned: bool


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which customers of a list are wanted: those with all of what is given."""

    tier: str | None = None
    stage: str | None = None
    rfm_group: str | None = None
    abc: str | None = None
    key_customer: bool | None = None


class Counted(msgspec.Struct, kw_only=True):
    """How many customers stand at a tier and a stage."""

    tier: str
    stage: str
    customers: int


async def add_customers(
    work: Work, profile_ids: Iterable[UUID], *, tier: str, stage: str, tier_version: int | None = None
) -> None:
    """Gives customers who have none their first standing."""
    await work.run(
        """
        INSERT INTO standings (profile_id, tier, tier_version, stage)
        SELECT id, :tier, CAST(:tier_version AS int), :stage
          FROM unnest(CAST(:ids AS uuid[])) AS n(id)
         ORDER BY id
            ON CONFLICT (profile_id) DO NOTHING
        """,
        ids=sorted(set(profile_ids)),
        tier=tier,
        tier_version=tier_version,
        stage=stage,
    )


async def after(work: Work, profile_id: UUID, *, limit: int) -> dict[UUID, Stored]:
    """Locks the next customers after an id, in the order of their ids."""
    found = await rows_as(
        work,
        Stored,
        f"""
        SELECT {_STORED}
          FROM standings s
         WHERE profile_id > :after
         ORDER BY profile_id
         LIMIT :limit
           FOR UPDATE
        """,
        after=profile_id,
        limit=limit,
    )
    return {one.profile_id: one for one in found}


async def after_in_other_currencies(
    work: Work, profile_id: UUID, *, currencies: Iterable[str], limit: int
) -> dict[UUID, Stored]:
    """Locks the next customers after an id who have an order in another currency than one of these."""
    found = await rows_as(
        work,
        Stored,
        f"""
        SELECT {_STORED}
          FROM standings s
         WHERE profile_id > :after
           AND EXISTS (
               SELECT 1 FROM orders o
                WHERE o.profile_id = s.profile_id AND o.counts AND o.currency <> ANY(CAST(:currencies AS text[]))
               )
         ORDER BY profile_id
         LIMIT :limit
           FOR UPDATE
        """,
        after=profile_id,
        currencies=sorted(set(currencies)),
        limit=limit,
    )
    return {one.profile_id: one for one in found}


async def lock(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """Locks customers in the order of their ids; those that do not exist are left out."""
    found = await rows_as(
        work,
        Stored,
        f"""
        SELECT {_STORED}
          FROM standings s
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY profile_id
           FOR UPDATE
        """,
        ids=sorted(set(profile_ids)),
    )
    return {one.profile_id: one for one in found}


async def claim_due(work: Work, now: datetime, *, limit: int) -> dict[UUID, Stored]:
    """Locks customers whose due time has come and whom nobody else works on, the longest due first."""
    found = await rows_as(
        work,
        Stored,
        f"""
        SELECT {_STORED}
          FROM standings s
         WHERE due_at <= :now AND NOT {_REREADING}
         ORDER BY due_at
         LIMIT :limit
           FOR UPDATE OF s SKIP LOCKED
        """,
        now=now,
        limit=limit,
    )
    return {one.profile_id: one for one in found}


async def remove(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Takes away the rows of merged customers."""
    await work.run("DELETE FROM standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=sorted(set(profile_ids)))


async def save_orders(work: Work, changed: Mapping[tuple[UUID, str], Order]) -> None:
    """Stores orders whole."""
    await order_rows.save(work, changed, OrderRow)


async def save(work: Work, standings: Mapping[UUID, tuple[int, Standing, datetime]]) -> None:
    """Stores (version, standing, at which moment) of locked customers."""
    rows = [
        StoredStanding(profile_id=profile_id, version=version, evaluated_at=at, **structs.asdict(one))
        for profile_id, (version, one, at) in sorted(standings.items(), key=lambda item: item[0])
    ]
    changes = ", ".join(f"{name} = n.{name}" for name in StoredStanding.__struct_fields__ if name != "profile_id")
    await work.run(
        f"""
        UPDATE standings s
           SET {changes}, values_at = n.evaluated_at
          FROM {unnest(StoredStanding, "n")}
         WHERE s.profile_id = n.profile_id
        """,
        **arrays(rows, StoredStanding),
    )


async def standing(work: Work, profile_id: UUID) -> StoredStanding | None:
    """Returns one customer's standing as stored."""
    return await row_as(
        work,
        StoredStanding,
        f"SELECT {columns(StoredStanding)} FROM standings WHERE profile_id = :id",
        id=profile_id,
    )


async def other_currencies(work: Work, profile_id: UUID, *, currency: str) -> dict[str, int]:
    """Returns what a customer has paid, net, in currencies other than this one, in minor units."""
    rows = await work.rows(
        """
        SELECT currency, sum(net_minor) AS net
          FROM orders
         WHERE profile_id = :id AND counts AND currency <> :currency
         GROUP BY currency
         ORDER BY currency
        """,
        id=profile_id,
        currency=currency,
    )
    return {row.currency: int(row.net) for row in rows}


async def customers(work: Work, chosen: Filter, *, after: UUID | None, limit: int) -> Sequence[StoredCustomer]:
    """Returns a page of customers by id: those whom a filter leaves."""
    return await rows_as(
        work,
        StoredCustomer,
        f"""
        SELECT {columns(StoredCustomer)}
          FROM standings
         WHERE (CAST(:tier AS text) IS NULL OR tier = :tier)
           AND (CAST(:stage AS text) IS NULL OR stage = :stage)
           AND (CAST(:rfm_group AS text) IS NULL OR rfm_group = :rfm_group)
           AND (CAST(:abc AS text) IS NULL OR abc = :abc)
           AND (CAST(:key_customer AS boolean) IS NULL OR key_customer = :key_customer)
           AND (CAST(:after AS uuid) IS NULL OR profile_id > :after)
         ORDER BY profile_id
         LIMIT :limit
        """,
        **structs.asdict(chosen),
        after=after,
        limit=limit,
    )


async def counts(work: Work) -> Sequence[Counted]:
    """Returns how many customers stand at each (tier, stage)."""
    return await rows_as(work, Counted, "SELECT tier, stage, count(*) AS customers FROM standings GROUP BY tier, stage")
