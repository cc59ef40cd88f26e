"""Whether a process lives: every loop says so, and waiting counts as saying so."""

import asyncio
from collections.abc import Callable
from typing import Final

SILENT_SECONDS: Final = 45  # longer than any single wait of a loop, shorter than an operator's patience


class Heartbeat:
    """The last sign of life of each loop."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def loop(self, name: str) -> Callable[[], None]:
        """Returns a function for one loop to call at every turn."""

        def tick() -> None:
            self._last[name] = asyncio.get_running_loop().time()

        return tick

    def silent(self) -> list[str]:
        """Returns the loops that have not ticked for too long."""
        now = asyncio.get_running_loop().time()
        return sorted(name for name, last in self._last.items() if now - last > SILENT_SECONDS)
