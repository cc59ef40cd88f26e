"""`make bench-segment ARGS='--only latency'`: from an event on the broker to `SegmentEntered` on the broker.

A segment service of its own on the measured core, Apache Kafka or the embedded broker and PostgreSQL on the others;
events at a steady rate, each of a random customer, and what they cause, by the event that each names as its cause.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from deploy.local.broker import Broker
from deploy.local.process import LOOPBACK, free_port
from deploy.local.settings import CHECKOUT
from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.wire import Message
from shared.kafka.producer import Producer
from shared.kafka.topics import admin, ensure_topics
from shared.service.clock import SystemClock
from tests.bench.bench import spawn, until_answers
from tests.support.applications import PUBLIC_KEY

TICK_SECONDS: Final = 0.01  # between two sends
WARM_SECONDS: Final = 5.0  # whose events don't count
PATIENCE_SECONDS: Final = 10.0  # for what the last events cause
ENTERED: Final = b"rapport.segment_entered.v1"


async def remade(broker: Broker) -> None:
    """Makes all topics anew: the service whose database is another must not find what the one before read."""
    async with admin(broker.bootstrap) as client:
        known = [name for name in await client.list_topics() if name in topics.ALL]
        if known:
            await client.delete_topics(known)
    await ensure_topics(broker.bootstrap, topics.ALL, replication=1, patience_seconds=60)


async def latencies(
    broker: Broker,
    database_url: str,
    fact: Callable[[int, random.Random, datetime], Event],
    *,
    home: Path,
    rate: float,
    seconds: float,
    seed: int,
) -> list[float]:
    """Returns, in seconds and ascending, how long after it was sent each event's first entering was read."""
    port = free_port()
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP": broker.bootstrap,
        "PARTITION_SECRET": "a secret of the benchmark, long enough to be one",
        "HTTP_PORT": str(port),
        "AUTH_PUBLIC_KEY": PUBLIC_KEY,
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "services.segment", "serve"]
    child = await spawn("segment", command, log=home / "segment.log", env=env, cwd=CHECKOUT)
    sent: dict[bytes, float] = {}
    found: list[float] = []
    try:
        await until_answers(f"http://{LOOPBACK}:{port}/health/live", child)
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(_read(broker, sent, found))
            await _send(broker, fact, sent, random.Random(seed), rate=rate, seconds=WARM_SECONDS + seconds)
            await asyncio.sleep(PATIENCE_SECONDS)
            reader.cancel()
    finally:
        await child.kill()
    return sorted(found)


async def _send(
    broker: Broker,
    fact: Callable[[int, random.Random, datetime], Event],
    sent: dict[bytes, float],
    randomness: random.Random,
    *,
    rate: float,
    seconds: float,
) -> None:
    """Sends events at a rate, those of a tick together, and notes when; whoever is late sends more at once."""
    producer = Producer(broker.bootstrap, client_id="bench")
    begun, many = time.perf_counter(), 0
    try:
        while (passed := time.perf_counter() - begun) < seconds:
            messages: list[Message] = []
            now = SystemClock().now()
            for n in range(many, int(rate * passed)):
                event = replace(fact(n, randomness, now), received_at=now)
                assert event.profile_id is not None
                head, value = wire.encode(event)
                messages.append(
                    Message(topic=topics.PROFILE_EVENTS, key=event.profile_id.bytes, headers=head, value=value)
                )
                if passed > WARM_SECONDS:
                    sent[str(event.event_id).encode()] = time.perf_counter()
            many += len(messages)
            if messages:
                await producer.send(messages)
            await asyncio.sleep(TICK_SECONDS)
    finally:
        await producer.close()


async def _read(broker: Broker, sent: dict[bytes, float], found: list[float]) -> None:
    """Reads what segment publishes, and notes how long the first entering of each event took."""
    reader = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, fetch_max_wait_ms=10, auto_offset_reset="latest")
    await reader.start()
    try:
        partitions = [TopicPartition(topics.SEGMENTS, n) for n in range(topics.PARTITIONS)]
        reader.assign(partitions)
        await reader.seek_to_end(*partitions)
        while True:
            for records in (await reader.getmany(timeout_ms=100)).values():
                now = time.perf_counter()
                for record in records:
                    headers = dict(record.headers)
                    at = sent.pop(headers.get("ce_causeid", b""), None) if headers["ce_type"] == ENTERED else None
                    if at is not None:
                        found.append(now - at)
    finally:
        await reader.stop()
