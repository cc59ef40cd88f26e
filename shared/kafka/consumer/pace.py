"""How often a reader looks: often while records come, seldom once none have come for a while."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from shared.service.loops import Idleness

POLL_MILLISECONDS: Final = 200
IDLE_POLL_MILLISECONDS: Final = 1_000
NOTE_SECONDS: Final = 0.5  # how often "caught up to" is written; timers are late by this much at most…
IDLE_NOTE_SECONDS: Final = 2.0  # …or by this much, when nothing but time passes


class Pace:
    """What a reader's loop waits for, by when a record last came; tells its client when to fetch, and how long a fetch
    may be kept.

    A broker that answers as soon as records come makes nobody wait longer for it. The embedded one keeps each fetch for
    its whole time, and looks into its logs at the beginning of that time and at the end. So it is asked not to keep
    them while idle, and the client pauses instead, which costs one look instead of two; the first record after a
    silence may come later, by that pause.
    """

    def __init__(
        self,
        client: Any,
        *,
        wait_ms: int,
        busy_wait_ms: int,
        pause_ms: int,
        idle_seconds: float,
        now: Callable[[], float],
    ) -> None:
        """`pause_ms` lie before each fetch while idle, which the broker may keep for `wait_ms`."""
        self._wait_ms = wait_ms
        self._busy_wait_ms = busy_wait_ms
        self._pause_seconds = pause_ms / 1000
        self._idleness = Idleness(seconds=idle_seconds, now=now)
        # aiokafka reads the wait for each fetch, calls this method for each, and has no other way to change either.
        self._fetcher = client._fetcher
        assert hasattr(self._fetcher, "_fetch_max_wait_ms")
        self._fetch_at_once = self._fetcher._proc_fetch_request
        self._fetcher._proc_fetch_request = self._fetch

    async def _fetch(self, *request: Any) -> bool:
        """Fetches; whether records came. Like the client's own method it ends quietly when it is cancelled."""
        if self.idle and self._pause_seconds:
            try:
                await asyncio.sleep(self._pause_seconds)
            except asyncio.CancelledError:
                return False
        return bool(await self._fetch_at_once(*request))

    def looked(self, *, came: bool) -> None:
        """Notes whether the last look brought records."""
        before = self.idle
        self._idleness.looked(found=came)
        if self.idle != before:
            self._fetcher._fetch_max_wait_ms = self._wait_ms if self.idle else self._busy_wait_ms

    @property
    def idle(self) -> bool:
        """Whether no record has come for a while."""
        return self._idleness.idle

    @property
    def poll_ms(self) -> int:
        """Milliseconds that the loop waits for records."""
        return IDLE_POLL_MILLISECONDS if self.idle else POLL_MILLISECONDS

    @property
    def note_seconds(self) -> float:
        """Seconds between two notes of how far everything has been read."""
        return IDLE_NOTE_SECONDS if self.idle else NOTE_SECONDS
