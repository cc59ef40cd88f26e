"""A reader fetches at once while records come, and after a pause once none have come for a while."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from shared.kafka.consumer.pace import Pace
from tests.support.stopped import StoppedClock

NEVER_MS = 3_600_000  # nothing here lasts as long
TURNS = 10  # of the loop: what does not wait is done by then


class Client:
    """aiokafka's client, as far as a pace knows it: its fetcher's wait, and the method that fetches."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Any]] = []
        self._fetcher = SimpleNamespace(_fetch_max_wait_ms=20, _proc_fetch_request=self._fetch)

    async def _fetch(self, *request: Any) -> bool:
        self.asked.append(request)
        return True

    async def fetch(self) -> bool:
        """A fetch, asked for as the client asks for each."""
        found: bool = await self._fetcher._proc_fetch_request("assignment", 1, "request")
        return found

    @property
    def wait_ms(self) -> int:
        """How long the broker may keep the next fetch."""
        wait_ms: int = self._fetcher._fetch_max_wait_ms
        return wait_ms


def paced(client: Client, clock: StoppedClock, *, pause_ms: int = NEVER_MS) -> Pace:
    return Pace(client, wait_ms=1, busy_wait_ms=20, pause_ms=pause_ms, idle_seconds=30, now=clock)


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_a_fetch_leaves_at_once_until_nothing_has_come_for_a_while_and_again_after_something_came() -> None:
    client, clock = Client(), StoppedClock()
    pace = paced(client, clock)
    assert await client.fetch()
    assert client.asked == [("assignment", 1, "request")]
    clock.advance(31)
    pace.looked(came=False)
    assert (pace.idle, client.wait_ms) == (True, 1)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(client.fetch())
        await turns()
        assert not waiting.done()
        waiting.cancel()
    assert waiting.result() is False, "the client awaits its fetches when it closes, and expects them to end quietly"
    assert len(client.asked) == 1
    pace.looked(came=True)
    assert (pace.idle, client.wait_ms) == (False, 20)
    assert await client.fetch()
    assert len(client.asked) == 2


async def test_without_a_pause_an_idle_reader_leaves_the_wait_to_the_broker() -> None:
    client, clock = Client(), StoppedClock()
    pace = paced(client, clock, pause_ms=0)
    clock.advance(31)
    pace.looked(came=False)
    assert pace.idle
    assert await client.fetch()
