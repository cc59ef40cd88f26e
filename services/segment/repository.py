"""All SQL of segment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import structs

from services.segment.domain import Policy, Purchase, Standing, validate
from shared.contracts.orders import Order
from shared.database import order_rows
from shared.database.database import Work
from shared.database.order_rows import OrderRow
from shared.database.rows import arrays, columns, row_as, rows_as, unnest

_decode_policy = msgspec.json.Decoder(Policy).decode


class Stored(msgspec.Struct, kw_only=True):
    """A customer's row, locked."""

    profile_id: UUID
    version: int
    tier: str
    stage: str
    due_at: datetime | None


class StoredCustomer(msgspec.Struct, kw_only=True):
    """A customer in a list."""

    profile_id: UUID
    tier: str
    stage: str
    recency: int | None
    frequency: int | None
    monetary: int | None
    orders: int
    window_spend_minor: int
    last_order_at: datetime | None


class StoredStanding(StoredCustomer, kw_only=True):
    """A customer's whole row. Besides its key, version and moment it has the fields of `domain.Standing`."""

    version: int
    tier_reason: str
    stage_reason: str
    due_at: datetime | None
    evaluated_at: datetime | None


class Counted(msgspec.Struct, kw_only=True):
    """How many customers stand at a tier and a stage."""

    tier: str
    stage: str
    customers: int


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
        """
        INSERT INTO standings (profile_id, tier, stage)
        SELECT id, :tier, :stage
          FROM unnest(CAST(:ids AS uuid[])) AS n(id)
         ORDER BY id
            ON CONFLICT (profile_id) DO NOTHING
        """,
        ids=sorted(set(profile_ids)),
        tier=tier,
        stage=stage,
    )


async def lock(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """Locks customers in the order of their ids; those that do not exist are left out."""
    found = await rows_as(
        work,
        Stored,
        f"""
        SELECT {columns(Stored)}
          FROM standings
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
        SELECT {columns(Stored)}
          FROM standings
         WHERE due_at <= :now
         ORDER BY due_at
         LIMIT :limit
           FOR UPDATE SKIP LOCKED
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


async def purchases(work: Work, profile_ids: Iterable[UUID], *, currency: str) -> dict[UUID, list[Purchase]]:
    """Returns the orders that count of these customers. One in another currency counts with an amount of zero."""
    rows = await work.rows(
        """
        SELECT profile_id, placed_at, CASE WHEN currency = :currency THEN net_minor ELSE 0 END AS net
          FROM orders
         WHERE counts AND profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY profile_id, placed_at
        """,
        ids=sorted(set(profile_ids)),
        currency=currency,
    )
    found: dict[UUID, list[Purchase]] = {}
    for row in rows:
        found.setdefault(row.profile_id, []).append(Purchase(row.placed_at, row.net))
    return found


async def save(work: Work, standings: Mapping[UUID, tuple[int, Standing, datetime]]) -> None:
    """Stores (version, standing, at which moment) of locked customers."""
    rows = [
        StoredStanding(profile_id=profile_id, version=version, evaluated_at=at, **structs.asdict(one))
        for profile_id, (version, one, at) in sorted(standings.items(), key=lambda item: item[0])
    ]
    changes = ", ".join(f"{name} = n.{name}" for name in StoredStanding.__struct_fields__ if name != "profile_id")
    await work.run(
        f"UPDATE standings s SET {changes} FROM {unnest(StoredStanding, 'n')} WHERE s.profile_id = n.profile_id",
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


async def customers(
    work: Work, *, tier: str | None, stage: str | None, after: UUID | None, limit: int
) -> Sequence[StoredCustomer]:
    """Returns a page of customers by id: those of a tier, of a stage, of both, or all."""
    return await rows_as(
        work,
        StoredCustomer,
        f"""
        SELECT {columns(StoredCustomer)}
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


async def counts(work: Work) -> Sequence[Counted]:
    """Returns how many customers stand at each (tier, stage)."""
    return await rows_as(work, Counted, "SELECT tier, stage, count(*) AS customers FROM standings GROUP BY tier, stage")


# The rebuild: `rebuild` is the schema that shared.rebuild fills, `public` what the service holds.

# What readers know of a customer: what the service holds, unless it has published something newer.
_KNOWN = """
        SELECT s.profile_id,
               coalesce(greatest(l.version, t.version), 0) AS version,
               CASE WHEN t.version > coalesce(l.version, -1) THEN t.tier ELSE l.tier END AS tier,
               CASE WHEN t.version > coalesce(l.version, -1) THEN t.stage ELSE l.stage END AS stage
          FROM rebuild.standings s
          LEFT JOIN public.standings l USING (profile_id)
          LEFT JOIN (
               SELECT profile_id,
                      max(version) AS version,
                      max(value) FILTER (WHERE kind = 'tier') AS tier,
                      max(value) FILTER (WHERE kind = 'stage') AS stage
                 FROM rebuild.published
                GROUP BY profile_id
               ) t USING (profile_id)
"""


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
        """
        SELECT s.profile_id, l.evaluated_at
          FROM rebuild.standings s
          JOIN public.standings l USING (profile_id)
         WHERE s.profile_id > :after AND s.evaluated_at <> l.evaluated_at
         ORDER BY s.profile_id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return {row.profile_id: row.evaluated_at for row in rows}


async def adopt_known_versions(work: Work) -> None:
    """Gives the shadow the highest version that readers may know of each customer."""
    await work.run(
        f"""
        UPDATE rebuild.standings s SET version = k.version
          FROM ({_KNOWN}) k
         WHERE k.profile_id = s.profile_id AND s.version <> k.version
        """
    )


async def disagreements(work: Work, *, tier: str, stage: str) -> list[tuple[Stored, Standing]]:
    """Returns what readers know, and how it is, where that differs.

    Readers who know nothing assume `tier` and `stage`.
    """
    rows = await work.rows(
        f"""
        SELECT s.profile_id, s.version, coalesce(k.tier, :tier) AS known_tier,
               coalesce(k.stage, :stage) AS known_stage, {columns(Standing, "s")}
          FROM rebuild.standings s
          JOIN ({_KNOWN}) k USING (profile_id)
         WHERE s.tier <> coalesce(k.tier, :tier) OR s.stage <> coalesce(k.stage, :stage)
         ORDER BY s.profile_id
        """,
        tier=tier,
        stage=stage,
    )
    return [
        (
            Stored(
                profile_id=one.profile_id, version=one.version, tier=one.known_tier, stage=one.known_stage, due_at=None
            ),
            Standing(**{name: one._mapping[name] for name in Standing.__struct_fields__}),
        )
        for one in rows
    ]


async def raise_versions(work: Work, versions: Mapping[UUID, int]) -> None:
    """Stores the versions under which the shadow's standings are published."""
    await work.run(
        """
        UPDATE rebuild.standings s SET version = n.version
          FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[])) AS n(profile_id, version)
         WHERE s.profile_id = n.profile_id
        """,
        ids=list(versions),
        versions=list(versions.values()),
    )
