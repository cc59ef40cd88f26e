"""SQL of erasures: finding and deleting what was kept of a customer whose events were refused."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.contracts.identity import Identity
from shared.database.database import Work


async def refused(work: Work, *, after: UUID | None, limit: int) -> Sequence[Any]:
    """Returns payloads of the quarantine (`id`, `raw`, `around`), by id, after one."""
    return await work.rows(
        """
        SELECT id, raw, CAST(around AS text) AS around
          FROM quarantine
         WHERE CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)
         ORDER BY id
         LIMIT :limit
        """,
        after=after,
        limit=limit,
    )


async def rejected(work: Work, *, after: tuple[UUID, int] | None, limit: int) -> Sequence[Any]:
    """Returns rows of imports that were refused (`import_id`, `row`, `raw`), in order, after one."""
    import_id, row = after or (None, None)
    return await work.rows(
        """
        SELECT import_id, row, raw
          FROM import_rejects
         WHERE CAST(:import_id AS uuid) IS NULL OR (import_id, row) > (CAST(:import_id AS uuid), CAST(:row AS bigint))
         ORDER BY import_id, row
         LIMIT :limit
        """,
        import_id=import_id,
        row=row,
        limit=limit,
    )


async def delete_refused(work: Work, ids: Sequence[UUID]) -> int:
    """Deletes payloads of the quarantine. Returns how many."""
    return await work.run("DELETE FROM quarantine WHERE id = ANY(CAST(:ids AS uuid[]))", ids=list(ids))


async def delete_rejected(work: Work, places: Sequence[tuple[UUID, int]]) -> int:
    """Deletes rows of imports that were refused. Returns how many."""
    return await work.run(
        """
        DELETE FROM import_rejects r
         USING unnest(CAST(:imports AS uuid[]), CAST(:rows AS bigint[])) AS n(import_id, row)
         WHERE r.import_id = n.import_id AND r.row = n.row
        """,
        imports=[import_id for import_id, _ in places],
        rows=[row for _, row in places],
    )


async def forget_owners(work: Work, identities: Sequence[Identity]) -> int:
    """Forgets that orders are of whom one of these identities names. Returns of how many orders."""
    return await work.run(
        """
        DELETE FROM order_owners o
         WHERE EXISTS (
               SELECT 1
                 FROM jsonb_array_elements(o.identities) AS i(one)
                 JOIN unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS n(namespace, value)
                   ON i.one ->> 'namespace' = n.namespace AND i.one ->> 'value' = n.value
               )
        """,
        namespaces=[one.namespace.value for one in identities],
        values=[one.value for one in identities],
    )
