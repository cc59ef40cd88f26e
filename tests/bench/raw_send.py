"""The limit: aiokafka's `send` of records that are ready, acks=all, as fast as one process can. Prints events/s.

`python -m tests.bench.raw_send BOOTSTRAP SECONDS`
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import uvloop
from aiokafka import AIOKafkaProducer

from services.ingest.domain.request import body
from services.ingest.domain.request.context import RequestContext
from services.ingest.service import triage
from shared.contracts.envelope import SourceKind
from shared.contracts.wire import Message
from tests.bench.events import TRACEPARENT, templates

CALLERS: Final = 32  # as many as there are connections in the other measurements
EACH: Final = 100


def records() -> list[Message]:
    """The records that ingest makes of what the others send."""
    context = RequestContext(
        source_id=UUID(int=7),
        source_kind=SourceKind.SERVER,
        allow_orders=False,
        received_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        new_message_id=triage.new_message_id,
        traceparent=TRACEPARENT,
    )
    made: list[Message] = []
    for text in templates(EACH):
        envelope, _ = body.parse(text.encode())
        made += triage.triage_messages(body.events_of(envelope), context, partition_secret=b"secret").accepted
    return made


async def measure(bootstrap: str, seconds: float) -> float:
    """Events a second."""
    ready = records()
    client = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=262_144)
    await client.start()
    try:
        now = asyncio.get_running_loop().time
        sent = 0

        async def send(some: Sequence[Message], until: float) -> None:
            nonlocal sent
            while now() < until:
                futures = [await client.send(m.topic, value=m.value, key=m.key, headers=list(m.headers)) for m in some]
                await asyncio.gather(*futures)
                sent += len(some)

        await _together(send, ready, now() + 1)
        sent, begun = 0, now()
        await _together(send, ready, begun + seconds)
        return sent / (now() - begun)
    finally:
        await client.stop()


async def _together(send: object, ready: Sequence[Message], until: float) -> None:
    assert callable(send)
    async with asyncio.TaskGroup() as tasks:
        for n in range(CALLERS):
            start = n * EACH % (len(ready) - EACH)
            tasks.create_task(send(ready[start : start + EACH], until))


if __name__ == "__main__":
    print(uvloop.run(measure(sys.argv[1], float(sys.argv[2]))))
