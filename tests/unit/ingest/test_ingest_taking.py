"""Taking events in: what is left of a request afterwards."""

import gc
from datetime import UTC, datetime
from uuid import UUID

from services.ingest.domain.definitions.source import Source
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.domain.request.context import RequestContext
from services.ingest.service import triage
from shared.contracts.envelope import SourceKind

SOURCE = Source(id=UUID(int=7), name="shop", kind=SourceKind.SERVER)
GOOD = (
    b'{"type": "page", "messageId": "m-1", "timestamp": "2026-01-31T11:59:57.120Z", "userId": "42", "properties": {}}'
)
NO_ORDER_ID = b'{"type": "track", "userId": "42", "event": "Order Completed", "properties": {"total": "1.00"}}'


def request_context() -> RequestContext:
    return triage.context_for(SOURCE, datetime(2026, 1, 31, 12, tzinfo=UTC))


def test_a_refused_event_does_not_hold_on_to_its_whole_request() -> None:
    """Else all its events would stay in memory until the garbage collector comes, which comes rarely."""

    def messages() -> int:
        return len(triage.triage_messages([GOOD, NO_ORDER_ID], request_context(), partition_secret=b"secret").refused)

    def payloads() -> int:
        sent = [
            Payload(way=IngestMethod.TRACKING, raw=NO_ORDER_ID),
            Payload(way=IngestMethod.TYPED, raw=b"{", around={"kind": "orders"}),
        ]
        return len(triage.triage_payloads(sent, SOURCE, request_context(), partition_secret=b"secret").refused)

    for take, refused in ((messages, 1), (payloads, 2)):
        take()  # what is remembered for ever is remembered now
        gc.collect()
        gc.disable()
        try:
            assert take() == refused
            assert gc.collect() == 0
        finally:
            gc.enable()
