"""Each role of a process is ready by what it does, and can be probed: in a process of its own, at a port of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from deploy.local.broker import Broker
from deploy.local.process import LOOPBACK, free_port
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.applications import build
from tests.support.running import DEADLINE_SECONDS, eventually, session_milliseconds

NOWHERE = f"{LOOPBACK}:1"
ELSEWHERE = ("/v1/figures", "/v1/feedback", "/docs", "/openapi.json", "/redoc", "/")


@asynccontextmanager
async def serving(roles: Sequence[str], url: str, brokers: str, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """The service feedback in these roles; a client of its port."""
    port, stop = free_port(), asyncio.Event()
    made = build("feedback", url, http_port=port, kafka_bootstrap=brokers, drain_announce_seconds=0, **settings)
    client = httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False)
    async with client, asyncio.timeout(4 * DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        tasks.create_task(process.run(made, stop=stop, roles=roles))
        try:
            await eventually(lambda: _status(client, "/health/live"), lambda status: status == 200)
            yield client
        finally:
            stop.set()


async def _status(client: httpx2.AsyncClient, path: str) -> int:
    try:
        return (await client.get(path)).status_code
    except httpx2.TransportError:
        return 0


async def _ready(client: httpx2.AsyncClient) -> dict[str, Any]:
    ready: dict[str, Any] = (await client.get("/health/ready")).json()
    return ready


async def test_an_api_is_ready_without_the_consumer_that_it_was_told_not_to_run(
    database_factory: DatabaseFactory,
) -> None:
    async with serving(["api"], await database_factory("feedback"), NOWHERE) as client:
        assert await _ready(client) == {"ready": True, "serving": True, "database": True, "stopped": []}
        assert (await client.get("/health/lag")).json()["lag"] == 0
        assert await _status(client, "/v1/figures") == 401


@pytest.mark.parametrize("role", ["consumer", "relay"])
async def test_a_consumer_and_a_relay_are_ready_by_their_work_and_answer_probes_alone(
    role: str, broker: Broker, database_factory: DatabaseFactory
) -> None:
    session = {"kafka_session_timeout_milliseconds": session_milliseconds(broker)}
    async with serving([role], await database_factory("feedback"), broker.bootstrap, **session) as client:
        ready = await eventually(lambda: _ready(client), lambda state: state["ready"])
        assert ready == {"ready": True, "serving": True, "database": True, role: True, "stopped": []}
        lag = (await client.get("/health/lag")).json()
        assert (lag["outbox"], lag["cluster"] is None) == (0, role == "relay")
        metrics = await client.get("/metrics")
        assert (metrics.status_code, "rapport_outbox_rows" in metrics.text) == (200, True)
        assert {path: await _status(client, path) for path in ELSEWHERE} == dict.fromkeys(ELSEWHERE, 404)


@pytest.mark.parametrize("role", ["consumer", "relay"])
async def test_what_waits_for_the_broker_lives_is_not_ready_and_stops_when_it_is_told(
    role: str, database_factory: DatabaseFactory
) -> None:
    async with serving([role], await database_factory("feedback"), NOWHERE) as client:
        assert await _ready(client) == {
            "ready": False,
            "serving": True,
            "database": True,
            role: False,
            "stopped": [],
        }
