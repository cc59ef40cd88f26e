"""A source: who sends, how its payloads are written, and what it is believed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.ingest.domain.definitions.consent import NO_WORDS, Words
from services.ingest.domain.definitions.mapping import Mapper
from services.ingest.domain.definitions.plan import NO_PLAN, Plan
from services.ingest.domain.definitions.renaming import NO_RENAMING, Renaming
from shared.contracts.envelope import SourceKind

MAX_GRACE: Final = timedelta(days=30)  # for which an old key still works after a rotation
MAX_KEYS: Final = 2  # of a source that work at one time: the one in use, and the one that it is replaced by

# Of a source without limits of its own, as RudderStack has them: of a batch after unpacking, and of an event.
MAX_BATCH_BYTES: Final = 4_194_304
MAX_EVENT_BYTES: Final = 32_768
MOST_EVENT_BYTES: Final = 262_144  # of an event, whichever way it comes: a broker takes records of 1 MiB

TRACKING: Final = "tracking"  # the format of a source that sends as the tracking API has it; others are of webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What judging an event needs to know of its source. `secret` is decrypted, in memory only."""

    id: UUID
    name: str
    kind: SourceKind
    format: str = TRACKING
    allow_orders: bool = False
    allowed_origins: frozenset[str] = frozenset()
    events_per_second: int | None = None
    secret: bytes | None = field(default=None, repr=False)
    renaming: Renaming = NO_RENAMING
    mapper: Mapper | None = None
    plan: Plan = NO_PLAN
    may_say: frozenset[str] = frozenset()
    consent_words: Words = NO_WORDS
    country: str | None = None
    id_space: str = ""
    max_batch_bytes: int = MAX_BATCH_BYTES
    max_event_bytes: int = MAX_EVENT_BYTES
    key_expires_at: datetime | None = None

    def allows(self, origin: str) -> bool:
        """Returns whether a page at this origin may send. A request without an origin is not a page's."""
        return not origin or not self.allowed_origins or origin in self.allowed_origins
