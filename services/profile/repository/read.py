"""What the API asks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts.orders import Order
from shared.database.database import Work

TOP: Final = 10

_decode_order: Final = msgspec.json.Decoder(Order).decode


async def owner(work: Work, namespace: str, value: str) -> UUID | None:
    """Returns the profile that owns an identity now."""
    row = await work.row(
        "SELECT coalesce(a.canonical_id, i.profile_id) AS owner FROM identities i "
        "LEFT JOIN profile_aliases a USING (profile_id) WHERE i.namespace = :namespace AND i.value = :value",
        namespace=namespace,
        value=value,
    )
    return None if row is None else row.owner


async def exists(work: Work, profile_id: UUID) -> bool:
    """Returns whether there is such a profile; a merged one is none."""
    return await work.row("SELECT 1 FROM profiles WHERE id = :id", id=profile_id) is not None


async def profile(work: Work, profile_id: UUID) -> Any | None:
    """Returns one profile's row."""
    return await work.row(
        "SELECT id, version, first_seen, last_seen, state::text AS state, orders, spend_minor, first_order_at, "
        "last_order_at FROM profiles WHERE id = :id",
        id=profile_id,
    )


async def money(work: Work, profile_id: UUID) -> list[Any]:
    """Returns refunds and margin by currency; the margin only over orders whose costs are known."""
    return await work.rows(
        "SELECT currency, sum(refunded_minor) AS refunded, sum(margin_minor) AS margin, count(margin_minor) AS costed "
        "FROM orders WHERE profile_id = :id AND currency IS NOT NULL GROUP BY currency ORDER BY currency",
        id=profile_id,
    )


async def top(work: Work, profile_id: UUID) -> list[Any]:
    """Returns the most frequent names of each kind, ranked from the full counts; ties by name."""
    return await work.rows(
        """
        SELECT kind, name, times
          FROM (
               SELECT kind, name, times, row_number() OVER (PARTITION BY kind ORDER BY times DESC, name) AS place
                 FROM counts
                WHERE profile_id = :id
               ) r
         WHERE place <= :top
         ORDER BY kind, place
        """,
        id=profile_id,
        top=TOP,
    )


async def orders(work: Work, profile_id: UUID) -> list[Order]:
    """Returns the orders of a customer that count."""
    rows = await work.rows(
        "SELECT CAST(facts AS text) AS facts FROM orders WHERE profile_id = :id AND counts", id=profile_id
    )
    return [_decode_order(row.facts) for row in rows]


async def timeline(work: Work, profile_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Any]:
    """Returns a customer's events, newest first, after a position."""
    occurred_at, event_id = before or (None, None)
    return await work.rows(
        "SELECT event_id, type, occurred_at, received_at, source_id, source_kind, historical, claim AS unverified, "
        "body, stated_at, context FROM timeline WHERE profile_id = :id AND (CAST(:occurred_at AS timestamptz) IS NULL "
        "OR (occurred_at, event_id) < (:occurred_at, CAST(:event_id AS uuid))) "
        "ORDER BY occurred_at DESC, event_id DESC LIMIT :limit",
        id=profile_id,
        occurred_at=occurred_at,
        event_id=event_id,
        limit=limit,
    )


async def sources_of(work: Work, event_ids: Sequence[UUID]) -> dict[UUID, Any]:
    """Returns by id the source of each of these events, and the evidence that it gives."""
    rows = await work.rows(
        """
        SELECT event_id, source_id, source_kind, body->>'evidence' AS evidence
          FROM timeline
         WHERE event_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=list(event_ids),
    )
    return {row.event_id: row for row in rows}


async def search(
    work: Work, *, prefix: str | None, min_orders: int, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Any]:
    """Returns profiles seen last first, after a position; `prefix` is the beginning of any of their identities."""
    last_seen, profile_id = before or (None, None)
    found = (
        "AND p.id IN (SELECT coalesce(a.canonical_id, i.profile_id) FROM identities i LEFT JOIN profile_aliases a "
        "USING (profile_id) WHERE i.value LIKE :pattern OR (i.namespace = 'email' AND i.value LIKE lower(:pattern))) "
        if prefix
        else ""
    )
    parameters: dict[str, Any] = {"pattern": _escaped(prefix) + "%"} if prefix else {}
    return await work.rows(
        "SELECT p.id, p.version, p.first_seen, p.last_seen, p.state::text AS state, p.orders, p.spend_minor, "
        "p.first_order_at, p.last_order_at FROM profiles p WHERE p.orders >= :min_orders "
        "AND (CAST(:last_seen AS timestamptz) IS NULL "
        "OR (p.last_seen, p.id) < (:last_seen, CAST(:profile_id AS uuid))) "
        f"{found}ORDER BY p.last_seen DESC, p.id DESC LIMIT :limit",
        min_orders=min_orders,
        last_seen=last_seen,
        profile_id=profile_id,
        limit=limit,
        **parameters,
    )


async def totals(work: Work) -> Sequence[Any]:
    """Returns of all customers together orders and spend by currency."""
    return await work.rows(
        "SELECT currency, count(*) AS orders, sum(net_minor) AS spend_minor FROM orders WHERE counts "
        "GROUP BY currency ORDER BY currency"
    )


async def identity_log(work: Work, profile_ids: Sequence[UUID], *, limit: int) -> Sequence[Any]:
    """Returns the decisions about a customer's identity, newest first.

    Of a customer who was parted from another, also the merge that was undone: it stands under the name that was kept.
    """
    return await work.rows(
        """
        SELECT id, at, kind, profile_id, other_id, namespace, value, event_id, rule_version, reason, provenance,
               verified
          FROM identity_log
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
            OR (kind = 'split' AND other_id = ANY(CAST(:ids AS uuid[])))
            OR id IN (
               SELECT m.id
                 FROM identity_log s
                 LEFT JOIN profile_aliases a ON a.canonical_id = s.profile_id
                 JOIN identity_log m ON m.profile_id IN (s.profile_id, a.profile_id)
                WHERE s.kind = 'split'
                  AND s.other_id = ANY(CAST(:ids AS uuid[]))
                  AND m.kind = 'merge'
                  AND m.other_id = s.other_id
               )
         ORDER BY id DESC
         LIMIT :limit
        """,
        ids=list(profile_ids),
        limit=limit,
    )


async def shared_values(
    work: Work, *, after: tuple[int, str, str] | None, reasons: Sequence[str], limit: int
) -> Sequence[Any]:
    """Returns the values that customers give whom they are not linked to, by how many those are, after a position.

    `blocked` are those of which a line of the log has one of the reasons.
    """
    customers, namespace, value = after or (None, None, None)
    return await work.rows(
        """
        SELECT s.namespace, s.value, s.customers, s.blocked, s.reasons, s.first_at, s.last_at,
               coalesce(a.canonical_id, i.profile_id) AS owner_id
          FROM (
               SELECT namespace, value, count(DISTINCT profile_id) AS customers,
                      bool_or(reason = ANY(CAST(:reasons AS text[]))) AS blocked,
                      array_agg(DISTINCT reason ORDER BY reason) AS reasons,
                      min(at) AS first_at, max(at) AS last_at
                 FROM identity_log
                WHERE kind = 'refuse'
                  AND provenance <> 'public'
                  AND namespace IS NOT NULL
                GROUP BY namespace, value
               ) AS s
          LEFT JOIN identities i USING (namespace, value)
          LEFT JOIN profile_aliases a ON a.profile_id = i.profile_id
         WHERE CAST(:customers AS bigint) IS NULL
            OR (-s.customers, s.namespace, s.value) > (-CAST(:customers AS bigint), CAST(:namespace AS text),
                                                       CAST(:value AS text))
         ORDER BY s.customers DESC, s.namespace, s.value
         LIMIT :limit
        """,
        customers=customers,
        namespace=namespace,
        value=value,
        reasons=list(reasons),
        limit=limit,
    )


def _escaped(prefix: str) -> str:
    return prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
