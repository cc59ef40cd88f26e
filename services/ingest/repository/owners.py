"""SQL on whose orders are."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from services.ingest.domain.request.owners import Owner, Owners
from shared.contracts.identity import Identity
from shared.database.database import Work

_decode = msgspec.json.Decoder(tuple[Identity, ...]).decode


async def find(work: Work, source_id: UUID, space: str, names: Sequence[str]) -> Owners:
    """Returns orders by the names asked for: each one's own id and the customer who placed it.

    They are those that the source itself told, else those of another source of its space.
    """
    rows = await work.rows(
        """
        SELECT DISTINCT ON (o.name) o.name, o.order_id, CAST(o.identities AS text) AS identities
          FROM order_owners o
          JOIN sources s ON s.id = o.source_id
         WHERE (o.source_id = :id OR s.id_space = :space) AND o.name = ANY(CAST(:names AS text[]))
         ORDER BY o.name, (o.source_id = :id) DESC, o.source_id
        """,
        id=source_id,
        space=space,
        names=list(names),
    )
    return {row.name: Owner(row.order_id, _decode(row.identities)) for row in rows}


async def waiting(work: Work, source_id: UUID, space: str, names: Sequence[str]) -> list[UUID]:
    """Returns refused payloads that wait for the customers of these orders, the oldest first."""
    rows = await work.rows(
        """
        SELECT q.id
          FROM quarantine q
          JOIN sources s ON s.id = q.source_id
         WHERE q.state = 'held' AND q.waits_for = ANY(CAST(:names AS text[]))
           AND (q.source_id = :id OR s.id_space = :space)
         ORDER BY q.received_at, q.id
        """,
        id=source_id,
        space=space,
        names=list(names),
    )
    return [row.id for row in rows]


async def save(work: Work, source_id: UUID, owners: Owners) -> None:
    """Keeps whose orders are; the last statement counts."""
    rows = sorted(owners.items())
    await work.run(
        """
        INSERT INTO order_owners AS o (source_id, name, order_id, identities)
        SELECT :id, name, order_id, CAST(identities AS jsonb)
          FROM unnest(CAST(:names AS text[]), CAST(:orders AS text[]), CAST(:identities AS text[]))
               AS t(name, order_id, identities)
            ON CONFLICT (source_id, name) DO UPDATE
           SET order_id = excluded.order_id, identities = excluded.identities
         WHERE (o.order_id, o.identities) <> (excluded.order_id, excluded.identities)
        """,
        id=source_id,
        names=[name for name, _ in rows],
        orders=[owner.order_id for _, owner in rows],
        identities=[msgspec.json.encode(owner.identities).decode() for _, owner in rows],
    )
