"""The local stack on the embedded broker: any of its processes is killed, and nothing accepted is lost or doubled."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import httpx2
import msgspec
import pytest

from deploy.local.placement import remove_data
from deploy.local.settings import Ports
from deploy.local.stack import Stack
from shared.service.clock import SystemClock
from tests.faults import load
from tests.faults.checker import check
from tests.faults.collect import gather
from tests.faults.ledger import Ledger, Outcome
from tests.faults.load import Clients
from tests.faults.local import DRILLS, LocalWorld
from tests.support.running import eventually

ORDERS: Final = 5_000
ORDERS_EACH: Final = 4
IMPORTED: Final = 2_000  # customers of a file, each with one order
BATCH: Final = 50
PAUSE_SECONDS: Final = 0.4  # between one sender's batches: some are always on their way
SEED: Final = 14
IDLE_SECONDS: Final = 240.0
IMPORT_SECONDS: Final = 180.0  # more than the lease of a process that was killed while it imported


async def test_any_process_killed_amid_orders_and_an_import_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, ledger: Ledger
) -> None:
    home = tmp_path_factory.mktemp("embedded")
    async with Stack(home, Ports.free(), broker="embedded", extra_env=DRILLS, durable=False) as stack:
        world = LocalWorld(stack, ledger)
        clients = Clients(stack.url("ingest"), stack.write_key, ledger, SEED)
        try:
            async with world.supervised():
                import_id = await _upload(stack, ledger)
                await eventually(lambda: _row(stack, import_id), lambda row: row > 0, deadline_seconds=IMPORT_SECONDS)
                await _kill_each(world, clients)
                await eventually(
                    lambda: _state(stack, import_id), lambda state: state == "done", deadline_seconds=IMPORT_SECONDS
                )
                await world.until_idle(deadline_seconds=IDLE_SECONDS)
                evidence = await gather(world, ledger.path)
        finally:
            await clients.close()
        assert check(evidence) == []
        assert sum(sent.fate is Outcome.OK for sent in evidence.sent.values()) > ORDERS + IMPORTED
        await stack.kill()  # nothing is looked at any more
    remove_data(home)


async def _kill_each(world: LocalWorld, clients: Clients) -> None:
    """Kills one part after the other amid a share of the orders of its own; ingest, amid its import, first."""
    parts = sorted(world.stack.parts(), key=lambda part: "ingest" not in part.name)
    batches = list(_batches())
    for number, part in enumerate(parts):
        before, share = clients.acknowledged, batches[number :: len(parts)]
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(clients.send_all(share, pause=lambda: PAUSE_SECONDS))
            await eventually(partial(_since, clients, before), lambda events: events > 0)
            assert not sending.done(), "all was sent before the kill: nothing was shown"
            await world.kill(part)
    assert set(world.kills.values()) == {1}


def _orders() -> list[dict[str, Any]]:
    names = [f"c{n}" for n in range(ORDERS // ORDERS_EACH)]
    orders = [load.order(name, f"{name}-o{n}", 1_000 + 17 * n) for n in range(ORDERS_EACH) for name in names]
    return [*map(load.known, names), *orders]


def _batches() -> Iterator[list[dict[str, Any]]]:
    events = _orders()
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


async def _upload(stack: Stack, ledger: Ledger) -> str:
    """Hands a file over to ingest; whoever did knows that all of it is taken in once the import is done."""
    at = SystemClock().now().isoformat()
    names = [f"file{n}" for n in range(IMPORTED)]
    events = [*map(load.known, names), *(load.order(name, f"{name}-o1", 2_500) for name in names)]
    events = [event | {"timestamp": at} for event in events]
    ledger.note("call", events=events)
    ledger.note("answer", ids=[event["messageId"] for event in events], outcome=Outcome.OK)
    async with _asking(stack) as http:
        [source] = (await http.get("/v1/sources")).raise_for_status().json()["sources"]
        body = {"source_id": source["id"], "name": "orders.ndjson"}
        body["options"] = {"format": "ndjson", "preset": "tracking", "historical": True}
        made = (await http.post("/v1/imports", json=body)).raise_for_status().json()
        content = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        (await http.put(f"/v1/imports/{made['id']}/content", content=content)).raise_for_status()
    return str(made["id"])


def _asking(stack: Stack) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {stack.admin_token}"}
    return httpx2.AsyncClient(base_url=stack.url("ingest"), headers=headers, timeout=30, trust_env=False)


async def _import(stack: Stack, import_id: str) -> dict[str, Any]:
    async with _asking(stack) as http:
        found: dict[str, Any] = (await http.get(f"/v1/imports/{import_id}")).raise_for_status().json()
    return found


async def _row(stack: Stack, import_id: str) -> int:
    return int((await _import(stack, import_id))["next_row"])


async def _state(stack: Stack, import_id: str) -> str:
    return str((await _import(stack, import_id))["state"])


async def _since(clients: Clients, before: int) -> int:
    return clients.acknowledged - before
