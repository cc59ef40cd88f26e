"""The loop of workers: steps, pauses, and patience with what is away."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from shared.service.loops import AT_ONCE, repeat

LONG_SECONDS = 3_600.0


class Away(Exception):
    """What a step waits for is not there."""


async def run(
    step: Callable[[], Awaitable[float]], stop: asyncio.Event, wake: asyncio.Event | None = None
) -> list[None]:
    ticks: list[None] = []
    async with asyncio.timeout(30):
        await repeat(
            step,
            stop,
            waits_for=(Away,),
            waiting="test.waits",
            back_off_seconds=0.01,
            tick=lambda: ticks.append(None),
            wake=wake,
        )
    return ticks


async def test_steps_follow_each_other_until_the_loop_is_told_to_stop() -> None:
    stop, steps = asyncio.Event(), 0

    async def step() -> float:
        nonlocal steps
        steps += 1
        if steps == 5:
            stop.set()
        return AT_ONCE

    assert len(await run(step, stop)) == 5, "each step is a sign of life"
    assert steps == 5


async def test_a_stop_ends_a_pause() -> None:
    stop = asyncio.Event()

    async def step() -> float:
        asyncio.get_running_loop().call_soon(stop.set)
        return LONG_SECONDS

    assert len(await run(step, stop)) == 1


async def test_a_stop_ends_the_pause_of_a_loop_that_can_be_woken() -> None:
    stop = asyncio.Event()

    async def step() -> float:
        asyncio.get_running_loop().call_soon(stop.set)
        return LONG_SECONDS

    before = asyncio.all_tasks()  # the session's loop may hold a client's tasks
    assert len(await run(step, stop, wake=asyncio.Event())) == 1
    assert asyncio.all_tasks() <= before, "nothing waits on after the loop"


async def test_a_wake_ends_a_pause_and_one_of_before_the_step_counts_for_nothing() -> None:
    stop, wake, steps = asyncio.Event(), asyncio.Event(), 0
    wake.set()

    async def step() -> float:
        nonlocal steps
        steps += 1
        assert not wake.is_set()
        if steps == 3:
            stop.set()
        asyncio.get_running_loop().call_soon(wake.set)
        return LONG_SECONDS

    await run(step, stop, wake)
    assert steps == 3


async def test_what_is_away_is_waited_for_and_told_and_any_other_error_ends_the_loop() -> None:
    stop, steps = asyncio.Event(), 0

    async def step() -> float:
        nonlocal steps
        steps += 1
        if steps < 3:
            raise Away("PostgreSQL")
        raise ValueError("a defect")

    with capture_logs() as logged, pytest.raises(ValueError, match="a defect"):
        await run(step, stop)
    assert [(one["event"], one["error"]) for one in logged] == [("test.waits", "Away('PostgreSQL')")] * 2
