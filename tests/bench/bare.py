"""Ingest without ingest: bare Starlette with the same decoding and the same publishing, and nothing else.

No keys, no plan, no quarantine, no metrics, no traces, no routes but one. `python -m tests.bench.bare BOOTSTRAP PORT`
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.domain import body, times
from services.ingest.domain.reception import Reception
from services.ingest.service import taking
from shared.clock import SystemClock
from shared.contracts.envelope import SourceKind
from shared.kafka.producer import Producer


async def take(request: Request) -> Response:
    """One batch."""
    reader = body.BodyReader()
    async for chunk in request.stream():
        reader.feed(chunk)
    envelope, _ = body.parse(reader.finish())
    reception = Reception(
        source_id=UUID(int=7),
        source_kind=SourceKind.SERVER,
        allow_orders=False,
        received_at=request.app.state.clock.now(),
        new_message_id=taking.new_message_id,
        sent_at=times.moment(envelope.sent_at),
        context=body.context_of(envelope),
    )
    done = taking.sort(body.events_of(envelope), reception, partition_secret=b"secret")
    await request.app.state.producer.send(done.accepted)
    return Response(b'{"success": true}', media_type="application/json")


def application(bootstrap: str) -> Starlette:
    """The one route."""

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        app.state.clock, app.state.producer = SystemClock(), Producer(bootstrap, client_id="bare")
        yield
        await app.state.producer.close()

    return Starlette(routes=[Route("/v1/batch", take, methods=["POST"])], lifespan=life)


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning"
    )
