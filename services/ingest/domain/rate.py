"""Limits of rate, by the generic cell rate algorithm: no windows at whose borders twice as much gets through.

Source: ITU-T Recommendation I.371, the virtual scheduling algorithm.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

BURST_SECONDS: Final = 2  # of the rate, which may come at once


@dataclass(slots=True)
class Limiter:
    """One sender's limit: `per_second` on average, and a burst. Of n events at once all are let in, or none."""

    per_second: int
    _full_at: datetime | None = None  # the theoretical arrival time: when what was let in will have been worked off

    def admit(self, events: int, now: datetime) -> timedelta | None:
        """None if they are let in; otherwise how long to wait before they would be.

        More events at once than a burst holds are let in when nothing else waits: they must not be refused for ever.
        """
        interval = timedelta(seconds=1) / self.per_second
        burst = timedelta(seconds=BURST_SECONDS)
        begin = max(self._full_at or now, now)
        cost = min(interval * events, burst)
        early = begin + cost - burst
        if early > now:
            return early - now
        self._full_at = begin + interval * events
        return None
