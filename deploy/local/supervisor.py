"""Starts parts of the stack again that have ended, while the others stay up; up to a limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.local.process import Child, StackError, together

WATCH_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Policy:
    """When a part that has ended is started again, and how often."""

    first_pause_seconds: float = 0.2  # doubled for each ending within the window
    longest_pause_seconds: float = 8.0
    most_endings: int = 5
    window_seconds: float = 60.0

    def pause_seconds(self, endings: Sequence[float]) -> float | None:
        """How long to wait before the next start; None if it is not to be started any more.

        `endings` are the times, in seconds and rising, at which the part ended, the last of them just now.
        """
        recent = sum(endings[-1] - at < self.window_seconds for at in endings)
        if recent >= self.most_endings:
            return None
        return float(min(self.longest_pause_seconds, self.first_pause_seconds * 2 ** (recent - 1)))


@dataclass(frozen=True, slots=True)
class Part:
    """Processes that are started together. `children` are those that should run now.

    `start` does nothing where the part was ended on purpose, or started, in the meantime; raises StackError.
    """

    name: str
    children: Callable[[], Sequence[Child]]
    start: Callable[[], Awaitable[None]]


class Supervisor:
    """Watches parts. One that was ended on purpose is not among its part's children, and stays as it is."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        report: Callable[[str], None],
        policy: Policy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`report` gets one line for each ending: what ended, why, and what is done."""
        self._parts = parts
        self._policy = policy or Policy()
        self._report = report
        self._monotonic = monotonic

    async def run(self) -> None:
        """Never returns. Raises StackError when a part has ended too often, with the last reason."""
        await together(*[self._keep(part) for part in self._parts])

    async def _keep(self, part: Part) -> None:
        endings: list[float] = []
        while True:
            ended = next((child for child in part.children() if not child.alive), None)
            if ended is None:
                await asyncio.sleep(WATCH_SECONDS)
                continue
            reason: str | None = ended.ending()
            while reason is not None:
                endings = [*endings[1 - self._policy.most_endings :], self._monotonic()]
                await self._wait(part, reason, endings)
                reason = await self._started_again(part)

    async def _wait(self, part: Part, reason: str, endings: Sequence[float]) -> None:
        pause = self._policy.pause_seconds(endings)
        if pause is None:
            within = f"{self._policy.most_endings} times within {self._policy.window_seconds:.0f} s"
            raise StackError(f"{part.name} ended {within}, and is not started again. {reason}")
        later = f" in {pause:.0f} s" if pause >= 1 else ""
        self._report(f"{reason[:1].upper()}{reason[1:]}. Starting it again{later}")
        await asyncio.sleep(pause)

    async def _started_again(self, part: Part) -> str | None:
        """Starts a part; why that failed, if it did."""
        try:
            await part.start()
        except StackError as error:
            return str(error)
        return None
