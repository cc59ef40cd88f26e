"""A rolling restart under load: a client hears an answer to everything that it asks, or 503."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.local.broker import Broker
from deploy.local.process import LOOPBACK, Child, answers, free_port
from deploy.local.settings import CHECKOUT
from services.ingest.main import build
from services.ingest.settings import IngestSettings
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.faults.front import Front
from tests.faults.proxy import Proxy
from tests.support.applications import PUBLIC_KEY
from tests.support.events import SECRET
from tests.support.running import DEADLINE_SECONDS, eventually
from tests.support.sources import made_source

pytestmark = pytest.mark.any_broker  # all services are restarted on Apache Kafka by tests/faults/test_rolling.py

RESTARTS = 3
CLIENTS = 8
WAY_SECONDS = 0.01  # between clients and front, so that ends of connections and requests meet on their way
GRACE_SECONDS = 20.0
ANNOUNCE_SECONDS = 1.5


class Load:
    """Clients that ask one thing after another on connections that they keep."""

    def __init__(self, port: int, write_key: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.errors: list[str] = []
        self._options: dict[str, Any] = {
            "base_url": f"http://{LOOPBACK}:{port}",
            "auth": httpx2.BasicAuth(write_key, ""),
            "trust_env": False,
            "timeout": DEADLINE_SECONDS,
        }

    async def client(self, stop: asyncio.Event) -> None:
        """One client."""
        async with httpx2.AsyncClient(**self._options) as client:
            while not stop.is_set():
                try:
                    answer = await client.post("/v1/track", json={"event": "x", "userId": "u"})
                    self.statuses[answer.status_code] += 1
                except httpx2.TransportError as error:
                    self.errors.append(repr(error))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of them, inside the block."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CLIENTS):
                tasks.create_task(self.client(stop))
            try:
                yield
            finally:
                stop.set()

    async def until_answered(self, more: int) -> None:
        """Returns once there are so many more answers than now."""
        wanted = self.statuses.total() + more
        await eventually(self._answers, lambda answers: answers >= wanted)

    async def _answers(self) -> int:
        return self.statuses.total()


async def test_rolling_restarts_under_load_give_clients_answers_or_503_and_nothing_else(
    broker: Broker, database_factory: DatabaseFactory, tmp_path: Path
) -> None:
    url, ports = await database_factory("ingest"), (free_port(), free_port())
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "KAFKA_BOOTSTRAP": broker.bootstrap,
        "PARTITION_SECRET": SECRET.decode(),
        "AUTH_PUBLIC_KEY": PUBLIC_KEY,
    }
    log = tmp_path / "ingest.log"
    child = await _started(ports[0], environment, log)
    try:
        async with (
            Front("ingest", free_port(), ports[0]) as front,
            Proxy("network", free_port(), front.port) as network,
        ):
            network.delay(WAY_SECONDS)
            load = Load(network.port, await _write_key(url, broker))
            async with load.running():
                for number in range(1, RESTARTS + 1):
                    await load.until_answered(10 * CLIENTS)
                    old, child = child, await _started(ports[number % 2], environment, log)
                    front.point_at(ports[number % 2])
                    assert await old.terminate(GRACE_SECONDS) == 0, old.tail_of_log()
    finally:
        await child.kill()
    print(f"answers: {dict(load.statuses)}, errors: {dict(Counter(load.errors))}, connections: {front.made}")
    assert (load.errors, set(load.statuses) - {200, 503}) == ([], set())
    assert front.made >= (RESTARTS + 1) * CLIENTS, "every client has moved at every restart"


async def test_a_stopping_service_says_so_and_answers_what_it_was_asked(
    broker: Broker, database_factory: DatabaseFactory
) -> None:
    service = build(
        IngestSettings(
            database_url=await database_factory("ingest"),
            kafka_bootstrap=broker.bootstrap,
            partition_secret=SECRET.decode(),
            http_port=free_port(),
            drain_announce_seconds=ANNOUNCE_SECONDS,
        )
    )
    stop, released = asyncio.Event(), asyncio.Event()
    assert service.app is not None
    service.app.add_api_route("/slow", released.wait)
    service.app.add_api_route("/broken", _broken)
    async with _client(service.settings.http_port) as client, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(process.run(service, stop=stop))
        await eventually(lambda: _ready(client), bool)
        assert "connection" not in (await client.get("/health/live")).headers
        slow = tasks.create_task(client.get("/slow"))
        await eventually(lambda: _ready(client), bool)
        stop.set()
        told = {"/health/ready": 503, "/health/live": 200, "/broken": 500, "/none": 404}
        responses = await asyncio.gather(*(client.get(path) for path in told))  # all of them while it announces
        assert [(one.status_code, one.headers["connection"]) for one in responses] == [
            (status, "close") for status in told.values()
        ]
        await eventually(lambda: answers(LOOPBACK, service.settings.http_port), lambda listens: not listens)
        assert not running.done()
        released.set()
    assert (slow.result().status_code, slow.result().headers["connection"]) == (200, "close")


async def _broken() -> None:
    raise RuntimeError("on purpose")


def _client(port: int) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=DEADLINE_SECONDS)


async def _started(port: int, environment: dict[str, str], log: Path) -> Child:
    """The service as a process of its own, ready."""
    env = {**environment, "HTTP_PORT": str(port)}
    child = await Child.spawn(
        "ingest", [sys.executable, "-m", "services.ingest", "serve"], log=log, env=env, cwd=CHECKOUT
    )
    async with _client(port) as client:
        await eventually(lambda: _ready(client), bool)
    return child


async def _ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).is_success
    except httpx2.TransportError:
        return False


async def _write_key(url: str, broker: Broker) -> str:
    service = build(
        IngestSettings(
            database_url=url, kafka_bootstrap=broker.bootstrap, partition_secret=SECRET.decode(), http_port=1
        )
    )
    _, key = await made_source(service.database)
    await service.database.close()
    return key
