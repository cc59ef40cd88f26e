"""The main job, as `make run` does it, on a slice of the orders."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deploy.demo import NotShown, newcomers, progress, run_demo, segments
from deploy.demo.client import Client
from deploy.demo.job import history, plan_of
from deploy.local.placement import remove_data
from deploy.local.settings import CHECKOUT, SERVICES, Ports
from deploy.local.stack import Stack
from shared.contracts import topics, wire
from shared.contracts.changes import SegmentEntered
from shared.kafka import log
from tests.conftest import broker_of_tests
from tests.support import orders
from tests.support.documents import run_readme, run_section
from tests.support.running import eventually

OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text()
SEGMENTS = (CHECKOUT / "docs" / "segments.md").read_text()
IDLE_SECONDS = 60.0
SLICE = 600  # orders: enough for both journeys, and for an import that can be interrupted


# Before `first_run`, whose stack would stand beside this one all the while.
async def test_an_import_that_was_interrupted_in_the_middle_goes_on_with_another_broker(stack: Stack) -> None:
    file = stack.home / "demo" / "state.json"
    early = _order("early-1", "early", {"currency": "USD", "total": "9.99", "order_id": "early-1"})
    async with Client(stack) as client:
        await client.send([early], historical=False)  # by somebody who began without the demo
    interrupted = asyncio.ensure_future(run_demo(stack, SLICE, Console(file=StringIO())))  # noqa: TID251 - to be cancelled
    await eventually(lambda: _sent(file), lambda sent: sent > 0, working=interrupted)
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)
    state = progress.load(file)
    assert state is not None
    assert not state.imported, "the import was over before it could be interrupted"

    await stack.broker.kill()
    await stack.broker.start()
    printed = StringIO()
    await run_demo(stack, SLICE, Console(file=printed, width=200))  # raises if a total is not the file's
    assert f"{SLICE:,} orders" in printed.getvalue()
    assert "And 1 order of yours, USD 9.99, of 1 customer." in printed.getvalue()


async def _sent(file: Path) -> int:
    state = progress.load(file)
    return state.sent if state else 0


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


async def test_a_second_run_shows_the_same_totals_and_sends_nothing(first_run: tuple[Stack, str]) -> None:
    stack, first = first_run
    before = await orders.sent_triples(stack.postgres)
    printed = await again(stack)
    assert f"{SLICE:,} orders" in printed
    assert await orders.sent_triples(stack.postgres) == before
    assert "sent live just now" in first
    assert "live" not in printed
    assert "of yours" not in first + printed


async def test_a_first_run_has_customers_at_every_stage(first_run: tuple[Stack, str]) -> None:
    stack, _ = first_run
    async with Client(stack) as client:
        stages = (await client.get("segment", "/v1/counts"))["stages"]
    assert stages["prospect"] == len(newcomers.PROSPECTS)
    assert stages["new"] == len(newcomers.BUYERS)


async def test_the_segments_in_words_have_customers_and_one_customer_is_explained(first_run: tuple[Stack, str]) -> None:
    stack, printed = first_run
    async with Client(stack) as client:
        for one in segments.SEGMENTS:
            found = await client.get("segment", f"/v1/segments/{one.id}")
            assert (found["state"], found["members"] > 0) == ("live", True), one
            assert one.id in printed
    assert f"is not in {segments.SILENT.id}" in printed
    assert "false   did not order in the last 30 days; turns by itself on" in printed
    assert (stack.home / "demo" / segments.PICTURE).read_text().startswith("<svg")


@pytest.mark.any_broker
async def test_after_ones_own_events_a_second_run_shows_the_demo_and_counts_them_beside_it(
    first_run: tuple[Stack, str], tmp_path: Path
) -> None:
    stack, first = first_run
    await run_readme(stack, tmp_path)  # orders of user 42, by curl and by a file
    async with Client(stack) as client:
        customers = [one["userId"] for one in history(plan_of(await _state(stack))) if one["type"] == "identify"]
        customer, survivor, alias = customers[:3]
        mine = {"currency": "EUR", "total": "12.50"}
        await client.send(
            [
                _order("mine-1", customer, {**mine, "order_id": "mine-1"}),
                _order("mine-2", "tokyo", {"currency": "JPY", "total": "1500", "order_id": "mine-2"}),
                {"type": "alias", "messageId": "mine-3", "userId": survivor, "previousId": alias},
            ],
            historical=False,
        )
        await client.until_idle(deadline_seconds=IDLE_SECONDS)
    printed = await again(stack)
    assert figures_of(printed) == figures_of(first)
    assert "And 4 orders of yours, EUR 12.50 and JPY 1,500 and USD 188.90, of 3 customers." in printed
    assert "joined 1 customer of the demo with another" in printed
    assert "beside them are 2 customers of yours, and 0 messages to them." in printed


@pytest.mark.any_broker
async def test_the_questions_of_a_bad_night_are_answered_by_their_commands(
    first_run: tuple[Stack, str], tmp_path: Path
) -> None:
    stack, _ = first_run
    async with Client(stack) as client:
        await client.send([{"type": "identify", "messageId": "night-1", "userId": "42"}], historical=False)
        await client.until_idle(deadline_seconds=IDLE_SECONDS)
    printed = await run_section(stack, tmp_path, OPERATIONS, "## Ten questions of a bad night")
    assert "problem" not in printed
    assert printed.count('"ready":true') == len(SERVICES)
    assert printed.count('"lag":0') == len(SERVICES)
    for answer in ("rapport_ingested_total{", '"reasons":', '"events":', '"decisions":', '"consents":'):
        assert answer in printed
    for answer in ('rapport_sending_paused{reason="send_stop"} 0.0', '"messages":', '"stopped":true', '"entries":'):
        assert answer in printed


@pytest.mark.any_broker
async def test_an_order_of_the_demo_that_is_not_as_it_was_sent_is_told(first_run: tuple[Stack, str]) -> None:
    stack, _ = first_run
    order_id = plan_of(await _state(stack)).history[0].message_id
    change = "UPDATE orders SET net_minor = net_minor + $1 WHERE order_id = $2"
    async with orders.connected(stack.postgres, "profile") as connection:
        await connection.execute(change, 1, order_id)
        with pytest.raises(NotShown, match=r"cents .*; orders of another amount 1, not 0"):
            await again(stack)
        await connection.execute(change, -1, order_id)
    await again(stack)


@pytest.mark.any_broker
async def test_a_segment_in_chinese_words_is_entered_by_an_order_told_and_explained(
    first_run: tuple[Stack, str], tmp_path: Path
) -> None:
    stack, _ = first_run
    printed = await run_section(stack, tmp_path, SEGMENTS, "## From nothing to a segment")
    assert '"words":{"en":"ordered in the last 30 days and spent at least 500.00 USD"' in printed
    assert '"segment_id":"big-spenders","member":true' in printed
    assert '"answers":[{"profile_id":' in printed
    assert '"state":"archived"' in printed
    assert "problem" not in printed

    async def entered() -> list[SegmentEntered]:
        records = await log.read(stack.broker.bootstrap, topics.SEGMENTS)
        bodies = (wire.decode(one.headers, one.value).body for one in records)
        return [
            one
            for one in bodies
            if isinstance(one, SegmentEntered) and one.segment_id == "big-spenders" and one.cause == "event"
        ]

    [told] = await eventually(entered, lambda found: len(found) > 0)
    # By the order, or by what profile says of its sum: whichever was read last.
    assert told.segment_version == 1
    assert told.order_id in ("S-1", None)
    assert f'"profile_id":"{told.profile_id}"' in printed


async def again(stack: Stack) -> str:
    """What `make run` shows once more."""
    printed = StringIO()
    await run_demo(stack, SLICE, Console(file=printed, width=200))
    return printed.getvalue()


async def _state(stack: Stack) -> progress.State:
    state = progress.load(stack.home / "demo" / "state.json")
    assert state is not None
    return state


def _order(message_id: str, customer: str, properties: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": message_id,
        "userId": customer,
        "properties": properties,
    }


def figures_of(printed: str) -> str:
    """The headline: orders, sum and customers."""
    return next(line for line in printed.splitlines() if " orders, USD " in line)
