"""The main job: import, wait, go live, check the totals, tell."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from deploy.local.demo import cdnow, progress, summary
from deploy.local.demo.cdnow import Line, Plan
from deploy.local.demo.client import Client
from deploy.local.demo.progress import State
from deploy.local.process import StackError
from deploy.local.stack import Stack

BATCH_EVENTS: Final = 250
SENDERS: Final = 3
LIVE_SENDERS: Final = 4
LIVE_PAUSE_SECONDS: Final = 0.18  # between one sender's orders: about 20 orders a second, to watch, not to race
IMPORT_DEADLINE_SECONDS: Final = 900
LIVE_DEADLINE_SECONDS: Final = 60
SILENCE_LEAD: Final = timedelta(seconds=12)  # time to fold an order before its customer falls silent
SILENCE_SPREAD: Final = timedelta(milliseconds=200)
SEE_SECONDS: Final = 0.25


async def run_demo(stack: Stack, slice_orders: int | None, console: Console) -> None:
    """Does the main job once, and shows its summary each time. Raises `StackError` if the totals are wrong."""
    file = stack.home / "demo" / "state.json"
    state = progress.load(file) or State(today=datetime.now(UTC).date(), slice_orders=slice_orders)
    if state.slice_orders != slice_orders and (state.sent or state.done):
        console.print(f"Going on with the earlier import ({_named(state.slice_orders)}); make reset begins anew.")
    plan = cdnow.plan(cdnow.read(cdnow.path()), state.today, state.slice_orders)
    async with Client(stack) as client:
        if not state.done:
            await _import(client, plan, state, file, console)
            await _go_live(client, plan, state, file, console)
        await summary.show(client, plan, state, console)


async def _import(client: Client, plan: Plan, state: State, file: Path, console: Console) -> None:
    events = list(history(plan))
    await client.until_idle(deadline_seconds=IMPORT_DEADLINE_SECONDS)
    if not state.imported:
        with _bar(console) as (bar, sending, folding):
            bar.update(sending, total=len(events), completed=state.sent)
            bar.update(folding, total=len(plan.history))
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(_watch(client, bar, folding))
                await _send_all(client, events, state, file, bar, sending)
                await client.until_idle(deadline_seconds=IMPORT_DEADLINE_SECONDS)
                looking.cancel()
            bar.update(folding, completed=await _orders(client))
        state.imported = True
        state.mails_after_import = (await client.get("mail", "/api/count"))["total"]
        progress.save(file, state)


async def _send_all(
    client: Client, events: Sequence[dict[str, Any]], state: State, file: Path, bar: Progress, sending: TaskID
) -> None:
    """Sends in order, a few batches at a time; `state.sent` is what is acknowledged without a gap."""
    while state.sent < len(events):
        wave = events[state.sent : state.sent + BATCH_EVENTS * SENDERS]
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(wave), BATCH_EVENTS):
                tasks.create_task(client.send(wave[start : start + BATCH_EVENTS], historical=True))
        state.sent += len(wave)
        progress.save(file, state)
        bar.update(sending, completed=state.sent)


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
    for line in plan.live:
        queue.put_nowait(line)
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("Live orders", total=len(plan.live))

        async def sender() -> None:
            while not queue.empty():
                line = queue.get_nowait()
                await client.send([*cdnow.page_views(line), cdnow.order(line, None)], historical=False)
                if (said := cdnow.feedback(line)) is not None:
                    await client.submit_feedback(said, key=line.message_id)
                bar.advance(task)
                await asyncio.sleep(LIVE_PAUSE_SECONDS)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(LIVE_SENDERS):
                tasks.create_task(sender())
    with console.status("Waiting for the last messages"):
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


async def _watch(client: Client, bar: Progress, folding: TaskID) -> None:
    while True:
        bar.update(folding, completed=await _orders(client))
        await asyncio.sleep(1)


async def _orders(client: Client) -> int:
    totals = (await client.get("profile", "/v1/totals"))["totals"]
    return sum(one["orders"] for one in totals)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Steps a second, over the last while."""
        return Text(f"{task.speed or 0:,.0f}/s")


@contextlib.contextmanager
def _bar(console: Console) -> Iterator[tuple[Progress, TaskID, TaskID]]:
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        yield bar, bar.add_task("Events sent"), bar.add_task("Orders folded")


def _named(slice_orders: int | None) -> str:
    return "all orders" if slice_orders is None else f"{slice_orders} orders"
