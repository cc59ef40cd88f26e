"""SQL on whose orders are."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from shared.contracts.identity import Identity
from shared.db import Work

_decode = msgspec.json.Decoder(tuple[Identity, ...]).decode


async def find(work: Work, source_id: UUID, order_ids: Sequence[str]) -> Mapping[str, tuple[Identity, ...]]:
    """By order, whom it was said to be of."""
    rows = await work.rows(
        "SELECT order_id, identities::text AS identities FROM order_owners "
        "WHERE source_id = :id AND order_id = ANY(CAST(:orders AS text[]))",
        id=source_id,
        orders=list(order_ids),
    )
    return {row.order_id: _decode(row.identities) for row in rows}


async def save(work: Work, source_id: UUID, owners: Mapping[str, Sequence[Identity]]) -> None:
    """Keeps whom orders are of; the last word counts."""
    rows = sorted(owners.items())
    await work.run(
        "INSERT INTO order_owners (source_id, order_id, identities) SELECT :id, order_id, identities::jsonb "
        "FROM unnest(CAST(:orders AS text[]), CAST(:identities AS text[])) AS t(order_id, identities) "
        "ON CONFLICT (source_id, order_id) DO UPDATE SET identities = excluded.identities "
        "WHERE order_owners.identities <> excluded.identities",
        id=source_id,
        orders=[order_id for order_id, _ in rows],
        identities=[msgspec.json.encode(identities).decode() for _, identities in rows],
    )
