"""How often a reader looks: often while records come, seldom once none have come for a while."""

from collections.abc import Callable
from typing import Any, Final

from shared.service.loops import Idleness

POLL_MILLISECONDS: Final = 200
IDLE_POLL_MILLISECONDS: Final = 1_000
NOTE_SECONDS: Final = 0.5  # how often "caught up to" is written; timers are late by this much at most…
IDLE_NOTE_SECONDS: Final = 2.0  # …or by this much, when nothing but time passes


class Pace:
    """What a reader's loop waits for, by when a record last came; tells its client how long a fetch may be kept.

    A broker that answers as soon as records come makes nobody wait longer for it. The embedded one keeps each fetch for
    its whole time: there the first record after a silence may come later, by the wait of an idle fetch.
    """

    def __init__(
        self, client: Any, *, wait_ms: int, busy_wait_ms: int, idle_seconds: float, now: Callable[[], float]
    ) -> None:
        self._client = client
        self._wait_ms = wait_ms
        self._busy_wait_ms = busy_wait_ms
        self._idleness = Idleness(seconds=idle_seconds, now=now)

    def looked(self, *, came: bool) -> None:
        """Notes whether the last look brought records."""
        before = self.idle
        self._idleness.looked(found=came)
        if self.idle != before:
            fetcher = self._client._fetcher  # aiokafka reads it for each fetch, and has no other way to change it
            assert hasattr(fetcher, "_fetch_max_wait_ms")
            fetcher._fetch_max_wait_ms = self._wait_ms if self.idle else self._busy_wait_ms

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
