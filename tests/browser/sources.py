"""Sources for pages, in the database of a running stack."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from deploy.local.stack import Stack
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.support.sources import made_source


@dataclass(frozen=True)
class Source:
    """A public source: pages have its write key."""

    id: UUID
    write_key: str


class Sources:
    """Makes public sources."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.postgres.database_url("ingest")

    async def made(self, **fields: Any) -> Source:
        """A source that nobody else uses."""
        database = Database(self._url, application="browser-tests", clock=SystemClock())
        try:
            return Source(*await made_source(database, f"shop {uuid4()}", kind="public", **fields))
        finally:
            await database.close()
