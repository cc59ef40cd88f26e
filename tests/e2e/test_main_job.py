"""The main job, as `make run` does it, on a slice of the orders."""

import asyncio
from collections import Counter
from io import StringIO
from pathlib import Path

from rich.console import Console

from deploy.local.demo import progress, run_demo
from deploy.local.demo.client import Client
from deploy.local.stack import Stack
from tests.support import orders
from tests.support.running import eventually

SLICE = 2000
DRAIN_SECONDS = 30


async def test_the_live_part_sends_each_message_once_and_the_history_none(stack: Stack) -> None:
    printed = StringIO()
    await run_demo(stack, SLICE, Console(file=printed, width=120))
    async with Client(stack) as client:
        mails = (await client.get("mail", "/api/messages", limit=1000))["messages"]
    received = Counter(
        (m["rapport"]["x-rapport-profile"], m["rapport"]["x-rapport-journey"], m["rapport"]["x-rapport-trigger"])
        for m in mails
    )
    sent = await orders.sent_triples(stack.postgres)
    assert sorted(received) == sent
    assert set(received.values()) == {1}
    assert {journey for _, journey, _ in sent} == {"welcome-to-tier", "win-back"}
    assert "Mails while importing history: 0" in printed.getvalue()


async def test_an_interrupted_import_goes_on_with_another_broker_after_it_was_drained(stack: Stack) -> None:
    file = stack.home / "demo" / "state.json"
    interrupted = asyncio.ensure_future(run_demo(stack, SLICE, Console(file=StringIO())))  # noqa: TID251 - to be cancelled
    await eventually(lambda: _sent(file), lambda sent: sent > 0)
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)
    state = progress.load(file)
    assert state is not None
    assert not state.imported, "the import was over before it could be interrupted"

    async with Client(stack) as client:
        await client.until_idle(deadline_seconds=DRAIN_SECONDS)  # as make stop does
    await stack.broker.kill()
    await stack.broker.start()
    await run_demo(stack, SLICE, Console(file=StringIO()))  # raises if a total is not the file's


async def _sent(file: Path) -> int:
    state = progress.load(file)
    return state.sent if state else 0


async def test_a_second_run_shows_the_same_totals_and_sends_nothing(stack: Stack) -> None:
    await run_demo(stack, 500, Console(file=StringIO()))
    before = await orders.sent_triples(stack.postgres)
    printed = StringIO()
    await run_demo(stack, 500, Console(file=printed, width=120))
    assert "500 orders" in printed.getvalue()
    assert await orders.sent_triples(stack.postgres) == before
