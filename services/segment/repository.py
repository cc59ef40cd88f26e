"""All SQL of segment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.segment.domain import Policy, Purchase, Standing, validate
from shared.contracts.orders import Order
from shared.db import Work

_decode_order = msgspec.json.Decoder(Order).decode
_decode_policy = msgspec.json.Decoder(Policy).decode


class Stored(msgspec.Struct, kw_only=True):
    """A customer's row, locked."""

    profile_id: UUID
    version: int
    tier: str
    stage: str
    due_at: datetime | None


_STORED = "SELECT profile_id, version, tier, stage, due_at FROM standings "


async def policy(work: Work) -> Policy:
    """What the tiers and stages mean."""
    row = await work.row("SELECT definition::text AS definition FROM policies WHERE id = 'default'")
    assert row is not None
    found = _decode_policy(row.definition)
    validate(found)
    return found


async def add_customers(work: Work, profile_ids: Iterable[UUID], *, tier: str, stage: str) -> None:
    """Gives customers who have none their first standing."""
    await work.run(
        "INSERT INTO standings (profile_id, tier, stage) SELECT id, :tier, :stage FROM unnest(CAST(:ids AS uuid[])) "
        "AS n(id) ORDER BY id ON CONFLICT (profile_id) DO NOTHING",
        ids=sorted(set(profile_ids)),
        tier=tier,
        stage=stage,
    )


async def lock(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """Locks customers in the order of their ids; those that do not exist are left out."""
    rows = await work.rows(
        _STORED + "WHERE profile_id = ANY(CAST(:ids AS uuid[])) ORDER BY profile_id FOR UPDATE",
        ids=sorted(set(profile_ids)),
    )
    return {row.profile_id: Stored(**row._mapping) for row in rows}


async def claim_due(work: Work, now: datetime, *, limit: int) -> dict[UUID, Stored]:
    """Locks customers whose due time has come and whom nobody else works on, the longest due first."""
    rows = await work.rows(
        _STORED + "WHERE due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED", now=now, limit=limit
    )
    return {row.profile_id: Stored(**row._mapping) for row in rows}


async def remove(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Takes away the rows of merged customers."""
    await work.run("DELETE FROM standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=sorted(set(profile_ids)))


async def orders(work: Work, keys: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], Order]:
    """What is known of these (profile, order id)."""
    wanted = sorted(set(keys))
    rows = await work.rows(
        "SELECT profile_id, order_id, facts::text AS facts FROM orders JOIN unnest(CAST(:profiles AS uuid[]), "
        "CAST(:orders AS text[])) AS w(profile_id, order_id) USING (profile_id, order_id)",
        profiles=[profile_id for profile_id, _ in wanted],
        orders=[order_id for _, order_id in wanted],
    )
    return {(row.profile_id, row.order_id): _decode_order(row.facts) for row in rows}


async def take_orders(work: Work, profile_id: UUID) -> dict[str, Order]:
    """Takes a merged customer's orders away and returns them."""
    rows = await work.rows("DELETE FROM orders WHERE profile_id = :id RETURNING order_id, facts::text", id=profile_id)
    return {row.order_id: _decode_order(row.facts) for row in rows}


async def save_orders(work: Work, changed: Mapping[tuple[UUID, str], Order]) -> None:
    """Stores orders whole."""
    rows = sorted(changed.items(), key=lambda item: item[0])
    await work.run(
        "INSERT INTO orders (profile_id, order_id, facts, counts, currency, net_minor, placed_at) "
        "SELECT profile_id, order_id, facts::jsonb, counts, currency, net, placed_at FROM unnest("
        "CAST(:profiles AS uuid[]), CAST(:orders AS text[]), CAST(:facts AS text[]), CAST(:counts AS boolean[]), "
        "CAST(:currencies AS text[]), CAST(:nets AS bigint[]), CAST(:placed AS timestamptz[])) "
        "AS n(profile_id, order_id, facts, counts, currency, net, placed_at) ON CONFLICT (profile_id, order_id) "
        "DO UPDATE SET facts = excluded.facts, counts = excluded.counts, currency = excluded.currency, "
        "net_minor = excluded.net_minor, placed_at = excluded.placed_at",
        profiles=[profile_id for (profile_id, _), _ in rows],
        orders=[order_id for (_, order_id), _ in rows],
        facts=[msgspec.json.encode(order).decode() for _, order in rows],
        counts=[order.counts for _, order in rows],
        currencies=[order.placed.currency if order.placed else None for _, order in rows],
        nets=[order.net_minor for _, order in rows],
        placed=[order.placed_at for _, order in rows],
    )


async def purchases(work: Work, profile_ids: Iterable[UUID], *, currency: str) -> dict[UUID, list[Purchase]]:
    """The orders that count of these customers. One in another currency counts with an amount of zero."""
    rows = await work.rows(
        "SELECT profile_id, placed_at, CASE WHEN currency = :currency THEN net_minor ELSE 0 END AS net FROM orders "
        "WHERE counts AND profile_id = ANY(CAST(:ids AS uuid[])) ORDER BY profile_id, placed_at",
        ids=sorted(set(profile_ids)),
        currency=currency,
    )
    found: dict[UUID, list[Purchase]] = {}
    for row in rows:
        found.setdefault(row.profile_id, []).append(Purchase(row.placed_at, row.net))
    return found


async def save(work: Work, standings: Mapping[UUID, tuple[int, Standing]], *, at: datetime) -> None:
    """Stores (version, standing) of locked customers."""
    rows = sorted(standings.items(), key=lambda item: item[0])
    values = [(profile_id, version, one) for profile_id, (version, one) in rows]
    await work.run(
        "UPDATE standings s SET version = n.version, tier = n.tier, tier_reason = n.tier_reason, stage = n.stage, "
        "stage_reason = n.stage_reason, recency = n.recency, frequency = n.frequency, monetary = n.monetary, "
        "orders = n.orders, window_spend_minor = n.spend, last_order_at = n.last_order_at, due_at = n.due_at, "
        "evaluated_at = :at FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:tiers AS text[]), "
        "CAST(:tier_reasons AS text[]), CAST(:stages AS text[]), CAST(:stage_reasons AS text[]), "
        "CAST(:recencies AS smallint[]), CAST(:frequencies AS smallint[]), CAST(:monetaries AS smallint[]), "
        "CAST(:orders AS integer[]), CAST(:spends AS bigint[]), CAST(:last AS timestamptz[]), "
        "CAST(:due AS timestamptz[])) AS n(profile_id, version, tier, tier_reason, stage, stage_reason, recency, "
        "frequency, monetary, orders, spend, last_order_at, due_at) WHERE s.profile_id = n.profile_id",
        at=at,
        ids=[profile_id for profile_id, _, _ in values],
        versions=[version for _, version, _ in values],
        tiers=[one.tier for _, _, one in values],
        tier_reasons=[one.tier_reason for _, _, one in values],
        stages=[one.stage.value for _, _, one in values],
        stage_reasons=[one.stage_reason for _, _, one in values],
        recencies=[one.recency for _, _, one in values],
        frequencies=[one.frequency for _, _, one in values],
        monetaries=[one.monetary for _, _, one in values],
        orders=[one.orders for _, _, one in values],
        spends=[one.window_spend_minor for _, _, one in values],
        last=[one.last_order_at for _, _, one in values],
        due=[one.due_at for _, _, one in values],
    )


async def standing(work: Work, profile_id: UUID) -> Mapping[str, Any] | None:
    """One customer's standing as stored."""
    row = await work.row(
        "SELECT profile_id, version, tier, tier_reason, stage, stage_reason, recency, frequency, monetary, orders, "
        "window_spend_minor, last_order_at, due_at, evaluated_at FROM standings WHERE profile_id = :id",
        id=profile_id,
    )
    return None if row is None else row._mapping


async def counts(work: Work) -> Sequence[Any]:
    """How many customers stand at each (tier, stage)."""
    return await work.rows("SELECT tier, stage, count(*) AS customers FROM standings GROUP BY tier, stage")
