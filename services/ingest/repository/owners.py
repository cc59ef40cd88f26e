"""SQL on whose orders are."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from services.ingest.domain.request.owners import Owner, Owners
from shared.contracts.identity import Identity
from shared.database.database import Work

_decode = msgspec.json.Decoder(tuple[Identity, ...]).decode


async def find(work: Work, source_id: UUID, names: Sequence[str]) -> Owners:
    """Returns orders by the names asked for: each one's own id and the customer who placed it."""
    rows = await work.rows(
        """
        SELECT name, order_id, CAST(identities AS text) AS identities
          FROM order_owners
         WHERE source_id = :id AND name = ANY(CAST(:names AS text[]))
        """,
        id=source_id,
        names=list(names),
    )
    return {row.name: Owner(row.order_id, _decode(row.identities)) for row in rows}


async def save(work: Work, source_id: UUID, owners: Owners) -> None:
    """Keeps whose orders are; the last statement counts."""
    rows = sorted(owners.items())
    await work.run(
        """
        INSERT INTO order_owners (source_id, name, order_id, identities)
        SELECT :id, name, order_id, CAST(identities AS jsonb)
          FROM unnest(CAST(:names AS text[]), CAST(:orders AS text[]), CAST(:identities AS text[]))
            AS t(name, order_id, identities)
            ON CONFLICT (source_id, name)
            DO UPDATE SET order_id = excluded.order_id, identities = excluded.identities
         WHERE (order_owners.order_id, order_owners.identities) <> (excluded.order_id, excluded.identities)
        """,
        id=source_id,
        names=[name for name, _ in rows],
        orders=[owner.order_id for _, owner in rows],
        identities=[msgspec.json.encode(owner.identities).decode() for _, owner in rows],
    )
