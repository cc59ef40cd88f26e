"""The bodies sent under the idempotency keys of the typed routes: the same key with another body is a mistake."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from services.ingest.repository import fact_keys as repository
from shared.database.database import Work
from shared.errors import Invalid

KEYS_KEPT: Final = timedelta(days=90)  # no client sends a fact again after that
FORGET_AT_ONCE: Final = 10_000


class KeyUsed(Invalid):
    """The Idempotency-Key was used before for another fact."""


async def claim(work: Work, event_id: UUID, fingerprint: bytes) -> None:
    """Keeps the fingerprint of the body under the key that made this event's id. Raises `KeyUsed` if it differs."""
    if await repository.claim(work, event_id, fingerprint) != fingerprint:
        raise KeyUsed("Idempotency-Key: used before with another body; send one key for each fact")


async def forget(work: Work) -> int:
    """Deletes some of those that were kept long enough. Returns how many."""
    return await repository.forget(work, before=work.now - KEYS_KEPT, limit=FORGET_AT_ONCE)
