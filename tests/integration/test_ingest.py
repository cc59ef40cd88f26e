"""Ingest on a real broker and a real PostgreSQL: what is acknowledged is there."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.broker import Broker
from deploy.local.process import free_port
from services.ingest.commands import source as command
from services.ingest.main import build
from services.ingest.service import sources
from services.ingest.settings import IngestSettings
from shared.contracts import topics, wire
from shared.contracts.envelope import Event, event_id
from shared.database.database import Database
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.commands import run_command
from tests.support.events import SECRET
from tests.support.sources import VAULT, made_source

DEADLINE_SECONDS = 30


@asynccontextmanager
async def serving(settings: IngestSettings) -> AsyncIterator[tuple[httpx2.AsyncClient, UUID]]:
    """The service as a process runs it, on its port, and a client that sends as a server."""
    service = build(settings)
    source_id, key = await made_source(service.database)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.run(service, stop=stop))
        address = f"http://127.0.0.1:{settings.http_port}"
        async with httpx2.AsyncClient(base_url=address, auth=httpx2.BasicAuth(key, ""), trust_env=False) as client:
            await _until_ready(client)
            yield client, source_id
        stop.set()


async def _until_ready(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get("/health/ready")).is_success:
                    return
            await asyncio.sleep(0.05)


async def published(bootstrap: str, source_id: UUID, wanted: int) -> list[Event]:
    """The first `wanted` events of a source."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topics.EVENTS, n) for n in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Event] = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(found) < wanted:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    events = (wire.decode(record.headers, record.value) for record in records)
                    found += [event for event in events if event.source_id == str(source_id)]
        return found
    finally:
        await consumer.stop()


async def test_what_is_acknowledged_is_on_the_bus(broker: Broker, database_factory: DatabaseFactory) -> None:
    settings = IngestSettings(
        database_url=await database_factory("ingest"),
        kafka_bootstrap=broker.bootstrap,
        partition_secret=SECRET.decode(),
        http_port=free_port(),
    )
    batch = [{"type": "track", "event": "x", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(250)]
    async with serving(settings) as (client, source_id):
        responses = await asyncio.gather(
            *(client.post("/v1/batch", content=json.dumps({"batch": batch[n : n + 25]})) for n in range(0, 250, 25))
        )
        assert [response.json() for response in responses] == [{"success": True}] * 10
        events = await published(broker.bootstrap, source_id, 250)
    assert {event.event_id for event in events} == {event_id(source_id, f"m{n}") for n in range(250)}


async def test_the_command_prints_only_the_key(database_factory: DatabaseFactory) -> None:
    url = await database_factory("ingest")
    env = {
        **os.environ,
        "DATABASE_URL": url,
        "KAFKA_BOOTSTRAP": "nowhere.invalid:9092",
        "PARTITION_SECRET": SECRET.decode(),
        "HTTP_PORT": "8001",
    }
    status, out, _ = await run_command("ingest", "source", "create", "demo", "--kind", "server", env=env)
    assert status == 0
    assert out.startswith("rk_")
    assert out.split() == [out.removesuffix("\n")]


async def test_sources_are_made_listed_and_disabled_from_the_command_line(
    database_factory: DatabaseFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(await database_factory("ingest"), application="test", clock=SystemClock())

    async def source(*arguments: str) -> tuple[int, str, str]:
        status = await command.run(database, VAULT, arguments)
        return status, *capsys.readouterr()

    status, key, _ = await source("create", "web shop", "--kind", "public", "--allow-orders")
    assert (status, key[:3], key.count("\n")) == (0, "rk_", 1)
    status, nothing, reason = await source("create", "web shop")
    assert (status, nothing, reason) == (1, "", "A source has this name already. source 'web shop' exists\n")
    _, listed, _ = await source("list")
    name, kind, _, orders, state = listed.strip().split("\t")
    assert (name, kind, orders, state) == ("web shop", "public", "orders", "enabled")
    assert (await source("create", "till", "--country", "Austria"))[0] == 1
    assert (await source("create", "till", "--country", "at"))[0] == 0
    async with database.work() as work:
        assert {one.name: one.country for one in await sources.every(work)} == {"web shop": None, "till": "AT"}
        await work.run("DELETE FROM write_keys k USING sources s WHERE k.source_id = s.id AND s.name = 'till'")
        await work.run("DELETE FROM sources WHERE name = 'till'")
    assert (await source("disable", "web shop"))[0] == 0
    assert (await source("list"))[1].strip().endswith("disabled")
    assert (await source("disable", "nobody"))[0] == 1
    assert (await source("enable", "web shop"))[0] == 0
    assert (await source("list"))[1].strip().endswith("enabled")
    status, rotated, _ = await source("rotate", "web shop", "--grace-hours", "1")
    assert (status, rotated[:3], rotated == key) == (0, "rk_", False)
    await database.close()
