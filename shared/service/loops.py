"""A wait that somebody may end early."""

import asyncio


async def until_set(event: asyncio.Event, *, seconds: float) -> None:
    """Returns when the event is set, after `seconds` at the latest."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
