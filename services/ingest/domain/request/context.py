"""What holds for every event of one request: who sends it, when it came, and by which rules it is read."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from services.ingest.domain.definitions.consent import NO_WORDS, Words
from services.ingest.domain.definitions.plan import NO_PLAN, Plan
from services.ingest.domain.definitions.renaming import NO_RENAMING, Renaming
from services.ingest.domain.definitions.source import MAX_EVENT_BYTES
from services.ingest.domain.values import message
from services.ingest.domain.values.context import Locate, event_context, nowhere
from shared.contracts import wire
from shared.contracts.context import Context
from shared.contracts.envelope import QuickUUID, SourceKind, event_ids
from shared.contracts.identity import Namespace, user_ids_of

REMEMBERED_CONTEXTS: Final = 1_024  # of all requests; with MAX_REMEMBERED_BYTES these are 3 MB
MAX_REMEMBERED_BYTES: Final = 1_024  # of one context


class EventContext(msgspec.Struct, frozen=True):
    """The context of an event: as its sender sent it, as the bus carries it, and that as it is written."""

    sent: message.Context
    known: Context | None
    written: msgspec.Raw | None


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every event of one request. `type` is set if the address names it.

    `address` and `user_agent` are those of the connection: a browser's own, if the source is public. `country` is the
    source's own: by it the national telephone numbers of customers without a country are read. `space` is that in which
    the source's ids of customers and orders live, empty for the common one.
    """

    source_id: UUID
    source_kind: SourceKind
    allow_orders: bool
    received_at: datetime
    new_message_id: Callable[[], str]
    sent_at: datetime | None = None
    context: message.Context = message.NO_CONTEXT
    historical: bool = False
    type: str | None = None
    traceparent: str | None = None
    max_event_bytes: int = MAX_EVENT_BYTES
    address: str = ""
    user_agent: str = ""
    renaming: Renaming = NO_RENAMING
    plan: Plan = NO_PLAN
    may_say: frozenset[str] = frozenset()
    consent_words: Words = NO_WORDS
    country: str | None = None
    space: str = ""
    locate: Locate = nowhere
    _event_contexts: dict[bytes, EventContext] = {}

    @property
    def trusted(self) -> bool:
        """Whether the source is a company's own server."""
        return self.source_kind is SourceKind.SERVER

    @property
    def user_ids(self) -> Namespace:
        """The namespace of the source's user ids."""
        return user_ids_of(self.space)

    @property
    def source_name(self) -> str:
        """The source's id, as events carry it."""
        return str(self.source_id)

    @property
    def event_id(self) -> Callable[[str], QuickUUID]:
        """The function that makes an event's id of the id of a message of this source."""
        return event_ids(self.source_id)

    def event_context(self, raw: bytes) -> EventContext:
        """Returns the context of an event, merged into that of its batch. Raises what msgspec raises.

        The events of a request mostly share one context: each is read once.
        """
        known = self._event_contexts.get(raw)
        if known is None:
            alone = self.context is message.NO_CONTEXT and len(raw) <= MAX_REMEMBERED_BYTES
            look = _remembered if alone else _read
            known = self._event_contexts[raw] = look(self.context, raw, self.address, self.user_agent, self.locate)
        return known


def _read(batch: message.Context, raw: bytes, address: str, user_agent: str, locate: Locate) -> EventContext:
    sent = message.merged(batch, message.context_in(raw))
    known = event_context(sent, address=address, user_agent=user_agent, locate=locate)
    return EventContext(sent, known, None if known is None else wire.encode_part(known))


_remembered: Final = lru_cache(REMEMBERED_CONTEXTS)(_read)
