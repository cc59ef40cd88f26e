"""The main job, as `make run` does it, on a slice of the orders."""

from collections import Counter
from io import StringIO

from rich.console import Console

from deploy.local.demo import run_demo
from deploy.local.demo.client import Client
from deploy.local.stack import Stack
from tests.support import orders

SLICE = 2000


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


async def test_a_second_run_shows_the_same_totals_and_sends_nothing(stack: Stack) -> None:
    await run_demo(stack, 500, Console(file=StringIO()))
    before = await orders.sent_triples(stack.postgres)
    printed = StringIO()
    await run_demo(stack, 500, Console(file=printed, width=120))
    assert "500 orders" in printed.getvalue()
    assert await orders.sent_triples(stack.postgres) == before
