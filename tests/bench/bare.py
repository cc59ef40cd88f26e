"""Ingest without ingest: bare Starlette with the same decoding and the same publishing, and nothing else.

No keys, no plan, no quarantine, no metrics, no traces, no routes but one. `python -m tests.bench.bare BOOTSTRAP PORT`

At `/v1/raw` even less: who sent an event is read, and the event goes on as it came, under its id and key. What lies
between the two is the price of understanding events at all.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.domain.request import body
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import message, times
from services.ingest.service import triage
from shared.contracts import topics
from shared.contracts.envelope import SourceKind, event_ids
from shared.contracts.identity import partition_key
from shared.contracts.wire import Message
from shared.kafka.producer import Producer
from shared.service.clock import SystemClock
from tests.bench.events import TRACEPARENT

# As many as an event's record has, less the one that is its own here.
CONSTANT_HEADERS: Final = (
    *((f"ce_name{n}", b"2026-01-31T12:00:00Z") for n in range(7)),
    ("traceparent", TRACEPARENT.encode()),
)

_event_id: Final = event_ids(UUID(int=7))


async def take(request: Request) -> Response:
    """One batch."""
    envelope = await _envelope(request)
    context = RequestContext(
        source_id=UUID(int=7),
        source_kind=SourceKind.SERVER,
        allow_orders=False,
        received_at=request.app.state.clock.now(),
        new_message_id=triage.new_message_id,
        sent_at=times.moment(envelope.sent_at),
        context=body.context_of(envelope),
        traceparent=TRACEPARENT,
    )
    done = triage.triage_messages(body.events_of(envelope), context, partition_secret=b"secret")
    await request.app.state.producer.send(done.accepted)
    return Response(b'{"success": true}', media_type="application/json")


async def take_raw(request: Request) -> Response:
    """One batch, of which nothing is understood."""
    envelope = await _envelope(request)
    await request.app.state.producer.send([_raw(one, b"secret") for one in body.events_of(envelope)])
    return Response(b'{"success": true}', media_type="application/json")


def _raw(raw: bytes, secret: bytes) -> Message:
    said = message.parse(raw)
    headers = [*CONSTANT_HEADERS, ("ce_id", str(_event_id(message.text(said.message_id))).encode())]
    key = partition_key(f"user_id:{said.user_id or said.anonymous_id}", secret=secret)
    return Message(topic=topics.EVENTS, key=key, headers=headers, value=raw)


async def _envelope(request: Request) -> body.Envelope:
    reader = body.BodyReader()
    async for chunk in request.stream():
        reader.feed(chunk)
    return body.parse(reader.finish())[0]


def application(bootstrap: str) -> Starlette:
    """The two routes."""

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        app.state.clock, app.state.producer = SystemClock(), Producer(bootstrap, client_id="bare")
        yield
        await app.state.producer.close()

    routes = [Route("/v1/batch", take, methods=["POST"]), Route("/v1/raw", take_raw, methods=["POST"])]
    return Starlette(routes=routes, lifespan=life)


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning"
    )
