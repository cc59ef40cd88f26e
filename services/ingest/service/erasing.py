"""Erasing what was refused of a customer: nobody took it in, so nobody else can find it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from services.ingest.domain.naming import names_one_of
from services.ingest.repository import erasures
from shared import audit
from shared.audit import Actor
from shared.contracts.identity import Identity
from shared.database.database import Database

AT_ONCE: Final = 500  # payloads looked through in one transaction


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """How many payloads, rows of imports, and notes of whose an order is were deleted."""

    quarantined: int
    rejected: int
    orders: int


async def erase(database: Database, identities: Sequence[Identity], by: Actor) -> Erased:
    """Looks through all that was refused, some at a time, and deletes what names one of these identities.

    Asked again it goes on: each part is deleted for good before the next is looked at. What is refused meanwhile may
    be missed.
    """
    quarantined = await _quarantined(database, identities)
    rejected = await _rejected(database, identities)
    async with database.work() as work:
        orders = await erasures.forget_owners(work, identities)
        found = Erased(quarantined=quarantined, rejected=rejected, orders=orders)
        # Whom, the log must not say.
        await audit.record(work, by, "refused.erase", "customer", "", msgspec.to_builtins(found))
    return found


async def _quarantined(database: Database, identities: Sequence[Identity]) -> int:
    deleted, after = 0, None
    while True:
        async with database.work() as work:
            rows = await erasures.refused(work, after=after, limit=AT_ONCE)
            theirs = [
                row.id
                for row in rows
                if names_one_of(row.raw, identities) or names_one_of(row.around.encode(), identities)
            ]
            deleted += await erasures.delete_refused(work, theirs) if theirs else 0
        if len(rows) < AT_ONCE:
            return deleted
        after = rows[-1].id


async def _rejected(database: Database, identities: Sequence[Identity]) -> int:
    deleted = 0
    after: tuple[UUID, int] | None = None
    while True:
        async with database.work() as work:
            rows = await erasures.rejected(work, after=after, limit=AT_ONCE)
            theirs = [(row.import_id, row.row) for row in rows if names_one_of(row.raw, identities)]
            deleted += await erasures.delete_rejected(work, theirs) if theirs else 0
        if len(rows) < AT_ONCE:
            return deleted
        after = (rows[-1].import_id, rows[-1].row)
