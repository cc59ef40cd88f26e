"""The main job: import, wait, go live, check the totals, tell."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console

from deploy.demo import cdnow, newcomers, progress, segments, summary
from deploy.demo.bars import Bar, bars, waiting
from deploy.demo.cdnow import Line, Plan
from deploy.demo.client import Client
from deploy.demo.progress import State
from deploy.local.process import StackError
from deploy.local.stack import Stack

BATCH_EVENTS: Final = 250
SENDERS: Final = 3
LIVE_SENDERS: Final = 4
LIVE_PAUSE_SECONDS: Final = 0.18  # between one sender's orders: about 20 orders a second, to watch, not to race
IMPORT_DEADLINE_SECONDS: Final = 900
LIVE_DEADLINE_SECONDS: Final = 60
SHOW_DEADLINE_SECONDS: Final = 30
SILENCE_LEAD: Final = timedelta(seconds=12)  # time to fold an order before its customer falls silent
SILENCE_SPREAD: Final = timedelta(milliseconds=200)
SEE_SECONDS: Final = 0.25


class NotShown(StackError):
    """The summary of a demo that an earlier run has sent can't be shown, or is wrong: no reason to stop the stack."""


async def run_demo(stack: Stack, slice_orders: int | None, console: Console) -> None:
    """Does the main job once, and shows its summary each time.

    Raises `StackError` if something of what it sent is not as it was sent; `NotShown` if an earlier run has sent it.
    """
    file = stack.home / "demo" / "state.json"
    state = progress.load(file) or State(today=datetime.now(UTC).date(), slice_orders=slice_orders, newcomers=True)
    if state.slice_orders != slice_orders and (state.sent or state.done):
        console.print(_kept(state))
    plan = plan_of(state)
    async with Client(stack) as client:
        if state.done:
            try:
                await client.until_idle(deadline_seconds=SHOW_DEADLINE_SECONDS)
                await segments.define(client, console)
                await summary.show(client, plan, state, console, sent_live=False)
            except (StackError, httpx2.TransportError) as error:
                raise NotShown(str(error)) from None
        else:
            await _import(client, plan, state, file, console)
            await segments.define(client, console)
            await _go_live(client, plan, state, file, console)
            await summary.show(client, plan, state, console, sent_live=True)


def plan_of(state: State) -> Plan:
    """What is sent, the same for the same state."""
    plan = cdnow.plan(cdnow.read(cdnow.path()), state.today, state.slice_orders)
    if not state.newcomers:
        return plan
    return replace(plan, first_orders=newcomers.first_orders(state.today), prospects=newcomers.PROSPECTS)


def _kept(state: State) -> str:
    named = "all orders" if state.slice_orders is None else f"{state.slice_orders} orders"
    if state.done:
        return f"The demo was run before, with {named}, and that is what it shows; make reset begins anew."
    return f"Going on with the earlier import ({named}); make reset begins anew."


async def _import(client: Client, plan: Plan, state: State, file: Path, console: Console) -> None:
    events = list(history(plan))
    await client.until_idle(deadline_seconds=IMPORT_DEADLINE_SECONDS)
    if not state.sent:
        state.orders_before = await _orders(client, 0)
        state.mails_before = (await client.get("mail", "/api/count"))["total"]
    before = state.orders_before
    if not state.imported:
        with bars(console) as shown:
            sending = shown.add("Events sent", len(events), state.sent)
            folding = shown.add("Orders folded", len(plan.history))
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(_watch(client, before, folding))
                await _send_all(client, events, state, file, sending)
                await client.until_idle(deadline_seconds=IMPORT_DEADLINE_SECONDS)
                looking.cancel()
            folding.update(await _orders(client, before))
        state.imported = True
        state.mails_after_import = (await client.get("mail", "/api/count"))["total"] - state.mails_before
        progress.save(file, state)


async def _send_all(client: Client, events: Sequence[dict[str, Any]], state: State, file: Path, sending: Bar) -> None:
    """Sends in order, a few batches at a time; `state.sent` is what is acknowledged without a gap."""
    while state.sent < len(events):
        wave = events[state.sent : state.sent + BATCH_EVENTS * SENDERS]
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(wave), BATCH_EVENTS):
                tasks.create_task(client.send(wave[start : start + BATCH_EVENTS], historical=True))
        state.sent += len(wave)
        progress.save(file, state)
        sending.update(state.sent)


async def _go_live(client: Client, plan: Plan, state: State, file: Path, console: Console) -> None:
    silence_at = datetime.now(UTC) + SILENCE_LEAD
    silent = [
        cdnow.order(line, silence_at + n * SILENCE_SPREAD - timedelta(days=cdnow.SILENCE_DAYS))
        for n, line in enumerate(plan.silent)
    ]
    if silent:
        await client.send(silent, historical=True)
        console.print(
            f"{len(silent)} customers whose last order is {cdnow.SILENCE_DAYS} days old today fall silent in "
            f"{SILENCE_LEAD.seconds} s: their invented time of day was chosen so that you can watch."
        )
    queue: asyncio.Queue[Line] = asyncio.Queue()
    lines = (*plan.live, *plan.first_orders)
    for line in lines:
        queue.put_nowait(line)
    with bars(console) as shown:
        bar, done = shown.add("Live orders", len(lines)), itertools.count(1)

        async def sender() -> None:
            while not queue.empty():
                line = queue.get_nowait()
                await client.send([*cdnow.page_views(line), cdnow.order(line, None)], historical=False)
                if (feedback := cdnow.feedback(line)) is not None:
                    await client.submit_feedback(feedback, key=line.message_id)
                bar.update(next(done))
                await asyncio.sleep(LIVE_PAUSE_SECONDS)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(LIVE_SENDERS):
                tasks.create_task(sender())
    with waiting(console, "Waiting for the last messages"):
        await _until_sent(client, len(plan.silent))
    state.done = True
    progress.save(file, state)


async def _until_sent(client: Client, winbacks: int) -> None:
    """Returns when all that is live has been handled, and so many silent customers were written to, or refused."""
    try:
        async with asyncio.timeout(LIVE_DEADLINE_SECONDS):
            while True:
                await client.until_idle(deadline_seconds=LIVE_DEADLINE_SECONDS)
                journeys = summary.by_journey(await client.get("campaign", "/v1/messages/figures"))
                waiting = sum(states.get("pending", 0) + states.get("sending", 0) for states in journeys.values())
                if not waiting and sum(journeys.get("win-back", {}).values()) >= winbacks:
                    return
                await asyncio.sleep(SEE_SECONDS)
    except TimeoutError:
        raise StackError(f"the messages were not sent within {LIVE_DEADLINE_SECONDS} s") from None


def history(plan: Plan) -> Iterator[dict[str, Any]]:
    """The import: each customer's traits before their first order, then the orders, by the file's order."""
    first: dict[str, datetime] = {}
    for line in plan.lines:
        at = cdnow.moment(line, plan.shift_days)
        first[line.customer] = min(at, first.get(line.customer, at))
    introduced: set[str] = set()
    for line in plan.history:
        if line.customer not in introduced:
            introduced.add(line.customer)
            yield cdnow.identify(line.customer, first[line.customer])
        yield cdnow.order(line, cdnow.moment(line, plan.shift_days))
    for line in (*plan.silent, *plan.live):  # customers without an older order
        if line.customer not in introduced:
            introduced.add(line.customer)
            yield cdnow.identify(line.customer, first[line.customer])
    for customer in (*(line.customer for line in plan.first_orders), *plan.prospects):
        yield cdnow.identify(customer, newcomers.signed_up(customer, plan.first_orders[0].day))


async def _watch(client: Client, before: int, folding: Bar) -> None:
    while True:
        folding.update(await _orders(client, before))
        await asyncio.sleep(1)


async def _orders(client: Client, before: int) -> int:
    """How many orders there are beyond those of before."""
    totals = (await client.get("profile", "/v1/totals"))["totals"]
    found: int = sum(one["orders"] for one in totals)
    return found - before
