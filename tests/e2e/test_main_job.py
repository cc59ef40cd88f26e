"""The main job, as `make run` does it, on a slice of the orders."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.demo import progress, run_demo
from deploy.local.demo.client import Client
from deploy.local.placement import remove_data
from deploy.local.settings import Ports
from deploy.local.stack import Stack
from tests.conftest import broker_of_tests
from tests.support import orders
from tests.support.running import eventually

SLICE = 1000  # orders: enough for both journeys, and for an import that can be interrupted


@pytest.fixture(scope="module")
async def first_run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, str]]:
    """A stack on which the demo has run, and what it printed."""
    home = tmp_path_factory.mktemp("demo")
    printed = StringIO()
    async with Stack(home, Ports.free(), broker=broker_of_tests(), durable=False) as stack:
        await run_demo(stack, SLICE, Console(file=printed, width=120))
        yield stack, printed.getvalue()
        await stack.kill()  # nothing is looked at any more, and to drain takes seconds
    remove_data(home)


async def test_the_live_part_sends_each_message_once_and_the_history_none(first_run: tuple[Stack, str]) -> None:
    stack, printed = first_run
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
    assert "Mails while importing history: 0" in printed


async def test_an_import_that_was_interrupted_in_the_middle_goes_on_with_another_broker(stack: Stack) -> None:
    file = stack.home / "demo" / "state.json"
    interrupted = asyncio.ensure_future(run_demo(stack, SLICE, Console(file=StringIO())))  # noqa: TID251 - to be cancelled
    await eventually(lambda: _sent(file), lambda sent: sent > 0, working=interrupted)
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)
    state = progress.load(file)
    assert state is not None
    assert not state.imported, "the import was over before it could be interrupted"

    await stack.broker.kill()
    await stack.broker.start()
    await run_demo(stack, SLICE, Console(file=StringIO()))  # raises if a total is not the file's


async def _sent(file: Path) -> int:
    state = progress.load(file)
    return state.sent if state else 0


async def test_a_second_run_shows_the_same_totals_and_sends_nothing(first_run: tuple[Stack, str]) -> None:
    stack, _ = first_run
    before = await orders.sent_triples(stack.postgres)
    printed = StringIO()
    await run_demo(stack, SLICE, Console(file=printed, width=120))
    assert f"{SLICE:,} orders" in printed.getvalue()
    assert await orders.sent_triples(stack.postgres) == before
