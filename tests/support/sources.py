"""Sources for tests."""

from typing import Any
from uuid import UUID

from services.ingest.service import sources
from services.ingest.service.vault import Vault
from shared.database.database import Database
from tests.support.actors import OPERATOR

SECRETS_KEY = "YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcywgZml4ZWQ="
VAULT = Vault([SECRETS_KEY])


async def made_source(database: Database, name: str = "shop", **said: Any) -> tuple[UUID, str]:
    """A source, and its write key."""
    async with database.work() as work:
        return await sources.create(work, VAULT, {"name": name, **said}, by=OPERATOR)
