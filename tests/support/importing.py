"""What an import makes of a file, without a database: the events, and the rows that are refused."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from services.ingest.domain.definitions.source import Source
from services.ingest.service import files, imports
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import OrderPlaced
from tests.support.events import SECRET

RECEIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
FILES = Source(id=UUID(int=7), name="files", kind=SourceKind.SERVER)


@dataclass(frozen=True)
class Imported:
    """What became of a file: its events in their order, and why which of its rows are refused."""

    events: list[Event]
    refused: dict[int, str]

    @property
    def orders(self) -> list[tuple[str, int]]:
        """The id and the total of each order, in minor units."""
        return [(one.body.order_id, one.body.total_minor) for one in self.events if isinstance(one.body, OrderPlaced)]


def imported(path: Path, **options: Any) -> Imported:
    """Imports a file, as the service does: it is looked through, then its rows are judged.

    Raises `NotReadable` for a file that is refused as a whole, and `BadDefinition` for invalid options.
    """
    checked = imports.options_of(options)
    files.examine(path, checked)
    content_hash, _ = files.digest(path)
    done = [
        batch.done
        for batch in imports.batches(
            path, checked, FILES, content_hash=content_hash, start=0, partition_secret=SECRET, received_at=RECEIVED
        )
    ]
    return Imported(
        events=[event for one in done for event in one.events],
        refused={one.payload.around["row"]: one.error.text for part in done for one in part.refused},
    )
