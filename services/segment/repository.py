"""All SQL of segment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.segment.domain import Policy, Purchase, Standing, validate
from shared.contracts.orders import Order
from shared.database.database import Work

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
    """Returns what the tiers and stages mean."""
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
    """Returns what is known of these (profile, order id)."""
    wanted = sorted(set(keys))
    rows = await work.rows(
        "SELECT profile_id, order_id, facts::text AS facts FROM orders JOIN unnest(CAST(:profiles AS uuid[]), "
        "CAST(:orders AS text[])) AS w(profile_id, order_id) USING (profile_id, order_id)",
        profiles=[profile_id for profile_id, _ in wanted],
        orders=[order_id for _, order_id in wanted],
    )
    return {(row.profile_id, row.order_id): _decode_order(row.facts) for row in rows}


async def delete_orders_returning(work: Work, profile_ids: Iterable[UUID]) -> dict[tuple[UUID, str], Order]:
    """Deletes merged customers' orders. Returns them."""
    rows = await work.rows(
        "DELETE FROM orders WHERE profile_id = ANY(CAST(:ids AS uuid[])) RETURNING profile_id, order_id, facts::text",
        ids=sorted(set(profile_ids)),
    )
    return {(row.profile_id, row.order_id): _decode_order(row.facts) for row in rows}


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
    """Returns the orders that count of these customers. One in another currency counts with an amount of zero."""
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


async def save(work: Work, standings: Mapping[UUID, tuple[int, Standing, datetime]]) -> None:
    """Stores (version, standing, at which moment) of locked customers."""
    rows = sorted(standings.items(), key=lambda item: item[0])
    values = [(profile_id, version, one) for profile_id, (version, one, _) in rows]
    await work.run(
        "UPDATE standings s SET version = n.version, tier = n.tier, tier_reason = n.tier_reason, stage = n.stage, "
        "stage_reason = n.stage_reason, recency = n.recency, frequency = n.frequency, monetary = n.monetary, "
        "orders = n.orders, window_spend_minor = n.spend, last_order_at = n.last_order_at, due_at = n.due_at, "
        "evaluated_at = n.at FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:tiers AS text[]), "
        "CAST(:tier_reasons AS text[]), CAST(:stages AS text[]), CAST(:stage_reasons AS text[]), "
        "CAST(:recencies AS smallint[]), CAST(:frequencies AS smallint[]), CAST(:monetaries AS smallint[]), "
        "CAST(:orders AS integer[]), CAST(:spends AS bigint[]), CAST(:last AS timestamptz[]), "
        "CAST(:due AS timestamptz[]), CAST(:moments AS timestamptz[])) AS n(profile_id, version, tier, tier_reason, "
        "stage, stage_reason, recency, frequency, monetary, orders, spend, last_order_at, due_at, at) "
        "WHERE s.profile_id = n.profile_id",
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
        moments=[at for _, (_, _, at) in rows],
    )


async def standing(work: Work, profile_id: UUID) -> Mapping[str, Any] | None:
    """Returns one customer's standing as stored."""
    row = await work.row(
        "SELECT profile_id, version, tier, tier_reason, stage, stage_reason, recency, frequency, monetary, orders, "
        "window_spend_minor, last_order_at, due_at, evaluated_at FROM standings WHERE profile_id = :id",
        id=profile_id,
    )
    return None if row is None else row._mapping


async def customers(
    work: Work, *, tier: str | None, stage: str | None, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Returns a page of customers by id: those of a tier, of a stage, of both, or all."""
    rows = await work.rows(
        """
        SELECT profile_id, tier, stage, recency, frequency, monetary, orders, window_spend_minor, last_order_at
        FROM standings
        WHERE (CAST(:tier AS text) IS NULL OR tier = :tier)
          AND (CAST(:stage AS text) IS NULL OR stage = :stage)
          AND (CAST(:after AS uuid) IS NULL OR profile_id > :after)
        ORDER BY profile_id
        LIMIT :limit
        """,
        tier=tier,
        stage=stage,
        after=after,
        limit=limit,
    )
    return [row._mapping for row in rows]


async def counts(work: Work) -> Sequence[Any]:
    """Returns how many customers stand at each (tier, stage)."""
    return await work.rows("SELECT tier, stage, count(*) AS customers FROM standings GROUP BY tier, stage")


# The rebuild: `rebuild` is the schema that shared.rebuild fills, `public` what the service holds.

_STANDING = (
    "s.tier, s.stage, s.recency, s.frequency, s.monetary, s.orders, s.window_spend_minor, s.last_order_at, s.due_at, "
    "s.tier_reason, s.stage_reason"
)
# What readers know of a customer: what the service holds, unless it has published something newer.
_KNOWN = (
    "SELECT s.profile_id, coalesce(greatest(l.version, t.version), 0) AS version, "
    "CASE WHEN t.version > coalesce(l.version, -1) THEN t.tier ELSE l.tier END AS tier, "
    "CASE WHEN t.version > coalesce(l.version, -1) THEN t.stage ELSE l.stage END AS stage "
    "FROM rebuild.standings s LEFT JOIN public.standings l USING (profile_id) LEFT JOIN (SELECT profile_id, "
    "max(version) AS version, max(value) FILTER (WHERE kind = 'tier') AS tier, "
    "max(value) FILTER (WHERE kind = 'stage') AS stage FROM rebuild.published GROUP BY profile_id) t USING (profile_id)"
)


async def make_published(work: Work) -> None:
    """Makes the table of what was published to readers last."""
    await work.run(
        """
        CREATE UNLOGGED TABLE rebuild.published (
            profile_id uuid,
            kind text,
            version bigint NOT NULL,
            value text NOT NULL,
            PRIMARY KEY (profile_id, kind)
        )
        """
    )


async def note_published(work: Work, published: Mapping[tuple[UUID, str], tuple[int, str]]) -> None:
    """Keeps, by (profile, kind), each (version, value) that is newer than what is here."""
    rows = sorted(published.items())
    await work.run(
        """
        INSERT INTO rebuild.published AS p (profile_id, kind, version, value)
        SELECT *
          FROM unnest(
               CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:versions AS bigint[]), CAST(:values AS text[])
               )
            ON CONFLICT (profile_id, kind)
            DO UPDATE SET version = excluded.version, value = excluded.value
         WHERE p.version < excluded.version
        """,
        ids=[profile_id for (profile_id, _), _ in rows],
        kinds=[kind for (_, kind), _ in rows],
        versions=[version for _, (version, _) in rows],
        values=[value for _, (_, value) in rows],
    )


async def moments(work: Work, after: UUID, *, limit: int) -> dict[UUID, datetime]:
    """Returns when the service looked at the next customers after an id, where the shadow has another time."""
    rows = await work.rows(
        "SELECT s.profile_id, l.evaluated_at FROM rebuild.standings s JOIN public.standings l USING (profile_id) "
        "WHERE s.profile_id > :after AND s.evaluated_at <> l.evaluated_at ORDER BY s.profile_id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return {row.profile_id: row.evaluated_at for row in rows}


async def adopt_known_versions(work: Work) -> None:
    """Gives the shadow the highest version that readers may know of each customer."""
    await work.run(
        f"UPDATE rebuild.standings s SET version = k.version FROM ({_KNOWN}) k "
        "WHERE k.profile_id = s.profile_id AND s.version <> k.version"
    )


async def disagreements(work: Work, *, tier: str, stage: str) -> list[tuple[Stored, Standing]]:
    """Returns what readers know, and how it is, where that differs.

    Readers who know nothing assume `tier` and `stage`.
    """
    rows = await work.rows(
        f"SELECT s.profile_id, s.version, coalesce(k.tier, :tier) AS known_tier, "
        f"coalesce(k.stage, :stage) AS known_stage, {_STANDING} FROM rebuild.standings s "
        f"JOIN ({_KNOWN}) k USING (profile_id) "
        "WHERE s.tier <> coalesce(k.tier, :tier) OR s.stage <> coalesce(k.stage, :stage) ORDER BY s.profile_id",
        tier=tier,
        stage=stage,
    )
    return [
        (
            Stored(profile_id=one[0], version=one[1], tier=one[2], stage=one[3], due_at=None),
            Standing(**{name: one._mapping[name] for name in Standing.__struct_fields__}),
        )
        for one in rows
    ]


async def raise_versions(work: Work, versions: Mapping[UUID, int]) -> None:
    """Stores the versions under which the shadow's standings are published."""
    await work.run(
        "UPDATE rebuild.standings s SET version = n.version FROM unnest(CAST(:ids AS uuid[]), "
        "CAST(:versions AS bigint[])) AS n(profile_id, version) WHERE s.profile_id = n.profile_id",
        ids=list(versions),
        versions=list(versions.values()),
    )
