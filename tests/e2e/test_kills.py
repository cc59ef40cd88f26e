"""Every service is killed while it has work, and every customer's figures equal the file's all the same."""

import asyncio
import os
import sys
from collections.abc import Sequence
from itertools import count
from signal import Signals
from typing import Any

from deploy.demo import cdnow
from deploy.demo.cdnow import Plan
from deploy.demo.client import Client
from deploy.demo.job import history
from deploy.local.process import Child, free_port
from deploy.local.settings import CHECKOUT
from deploy.local.stack import Stack
from shared.contracts import topics
from shared.service.clock import SystemClock
from tests.conftest import broker_of_tests
from tests.support import orders
from tests.support.logs import log_end
from tests.support.running import eventually

# 69659 is the whole file. A broker that is killed with its tests needs fewer to have lag than one on disks.
ORDERS = int(os.environ.get("RAPPORT_TEST_ORDERS", "1500" if broker_of_tests() == "embedded" else "3000"))
FROZEN_ORDERS = ORDERS * 2 // 5
BATCH_EVENTS = 100
READS = {
    "profile": (topics.EVENTS,),
    "segment": (topics.PROFILE_EVENTS, topics.PROFILES),
    "campaign": (topics.PROFILE_EVENTS, topics.PROFILES, topics.SEGMENTS),
    "feedback": (topics.PROFILE_EVENTS, topics.PROFILES),
}
KILLED = (*READS, "ingest")
IDLE_SECONDS = 120 + ORDERS / 100
FREEZE_SECONDS = 120  # a holder frozen inside a transaction keeps its locks for up to 30 s


async def test_each_service_killed_while_it_has_lag_and_each_figure_equals_the_file(stack: Stack) -> None:
    plan = _all_history(ORDERS)
    events = list(history(plan))
    in_flight = [0]
    parts = [events[n :: len(KILLED)] for n in range(len(KILLED))]
    killed: dict[str, int] = {}
    async with Client(stack) as client:
        for name, part in zip(KILLED, parts, strict=True):
            # Each service is killed during a part of the import of its own, so that there is work when it is. A fast
            # machine is done before: then the part is sent again under other ids, so that it is work for every service,
            # and changes no figure.
            over = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(_send_until(over, client, part, in_flight))
                if name == "ingest":
                    await eventually(lambda: _now(in_flight[0]), bool)
                    await stack.kill_service("ingest")
                    assert not sending.done()
                    killed[name] = in_flight[0]
                else:
                    killed[name] = await _kill_with_lag(stack, name)
                over.set()
                await stack.start_service(name)
        await client.until_idle(deadline_seconds=IDLE_SECONDS)
        mails = (await client.get("mail", "/api/count"))["total"]
    print(f"killed while this many records (ingest: requests) waited: {killed}")
    assert all(waiting > 0 for waiting in killed.values())
    expected = orders.by_file(plan.history)
    assert sum(orders_made for orders_made, _ in expected.values()) == ORDERS
    assert await orders.by_profile(stack.postgres) == expected
    assert await orders.by_segment(stack.postgres) == expected
    assert [await orders.dead_letters(stack.postgres, name) for name in READS] == [0, 0, 0, 0]
    assert mails == 0, "an import sends nothing"


async def test_a_frozen_holder_is_replaced_and_when_it_wakes_nothing_doubles(stack: Stack) -> None:
    plan = _all_history(FROZEN_ORDERS)
    events = list(history(plan))
    half = len(events) // 2
    async with Client(stack) as client:
        await _send(client, events[:half], [0])
        frozen = stack.service("profile")
        frozen.signal(Signals.SIGSTOP)
        await _send(client, events[half:], [0])
        twin = await Child.spawn(
            "a second profile",
            [sys.executable, "-m", "services.profile", "serve"],
            log=stack.home / "logs" / "twin.log",
            env={**stack.environment("profile"), "HTTP_PORT": str(free_port())},
            cwd=CHECKOUT,
        )
        try:
            wanted = orders.by_file(plan.history)
            await eventually(
                lambda: orders.by_profile(stack.postgres),
                lambda found: {c: found.get(c) for c in wanted} == wanted,
                deadline_seconds=FREEZE_SECONDS,
            )
            frozen.signal(Signals.SIGCONT)
            await _send(client, events[:half], [0])  # every event once more
            await client.until_idle(deadline_seconds=IDLE_SECONDS)
            assert await orders.by_profile(stack.postgres) == wanted
            assert await orders.by_segment(stack.postgres) == wanted
        finally:
            await twin.kill()


def _all_history(orders_wanted: int) -> Plan:
    """The first orders of the file, all of them to be imported."""
    lines = cdnow.read(cdnow.path())[:orders_wanted]
    today = SystemClock().now().date()
    return Plan(history=lines, silent=(), live=(), shift_days=cdnow.plan(lines, today).shift_days)


async def _send_until(
    over: asyncio.Event, client: Client, events: Sequence[dict[str, Any]], in_flight: list[int]
) -> None:
    """Sends everything once, and again under other ids as long as it is not over."""
    await _send(client, events, in_flight)
    for again in count():
        if over.is_set():
            return
        await _send(client, [{**one, "messageId": f"{one['messageId']}/{again}"} for one in events], in_flight)


async def _send(client: Client, events: Sequence[dict[str, Any]], in_flight: list[int]) -> None:
    """Sends everything, two requests at a time; a request that fails is sent again until it is acknowledged."""
    starts = iter(range(0, len(events), BATCH_EVENTS))

    async def sender() -> None:
        for start in starts:
            in_flight[0] += 1
            await client.send(events[start : start + BATCH_EVENTS], historical=True)
            in_flight[0] -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(sender())


async def _kill_with_lag(stack: Stack, name: str) -> int:
    """Kills a service by SIGKILL when it has lag; how many records it had not taken in when it was dead.

    Its own word comes too late, so its database and the broker are asked after the kill; if it had caught up just
    then, it is started again and killed another time.
    """
    for _ in count():
        await eventually(lambda: _unread(stack, name), lambda unread: unread > 0, deadline_seconds=60)
        await stack.kill_service(name)
        if (unread := await _unread(stack, name)) > 0:
            return unread
        await stack.start_service(name)
    raise AssertionError("unreachable")


async def _unread(stack: Stack, name: str) -> int:
    """How many records lie in the log behind what the service's database says was read."""
    read = await orders.read_offsets(stack.postgres, name, stack.broker.cluster_id)
    return await log_end(stack.broker.bootstrap, READS[name]) - read


async def _now(value: int) -> int:
    return value
