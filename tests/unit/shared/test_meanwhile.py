"""Computing beside a call that waits."""

import asyncio

import pytest

from shared.service.meanwhile import meanwhile


async def test_the_call_has_begun_before_the_block_and_ends_after_it() -> None:
    steps: list[str] = []
    told = asyncio.Event()

    async def call() -> None:
        steps.append("begun")
        await told.wait()
        steps.append("ended")

    async with meanwhile(call()):
        steps.append("block")
        told.set()

    assert steps == ["begun", "block", "ended"]


async def test_what_the_call_raises_is_raised_as_it_is() -> None:
    async def call() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        async with meanwhile(call()):
            pass


async def test_a_block_that_raises_ends_the_call() -> None:
    ended = asyncio.Event()

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ValueError, match="block"):
        async with meanwhile(call()):
            raise ValueError("block")
    assert ended.is_set()
