"""A wait until a time of day, in the customer's zone."""

from collections.abc import Iterator
from datetime import time

from services.campaign.domain.journey.local_time import next_local, problems_of_time
from services.campaign.domain.journey.nodes.lateness import problems_of_lateness, when_due
from services.campaign.domain.journey.nodes.node import At, Known, Waiting
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Outcome, Signal, Stay


class WaitUntil(Waiting, frozen=True, kw_only=True, tag="wait_until"):
    """Waits until the next `time` (`09:00`) in the customer's zone, on one of `weekdays` if any; 1 is Monday."""

    time: str
    weekdays: tuple[int, ...] = ()

    def enter(self, at: At) -> Outcome:
        """Returns that the run stays until then; at that very minute it need not."""
        clock = time.fromisoformat(self.time)
        return Stay(until=next_local(at.now, at.customer.time_zone, clock, self.weekdays))

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on."""
        return when_due(self, at)

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields an invalid time, and weekdays that are none."""
        yield from problems_of_time(self.time, f"{pointer}/time")
        for n, day in enumerate(self.weekdays):
            if not 1 <= day <= 7:
                yield Problem(f"{pointer}/weekdays/{n}", "must be from 1 (Monday) to 7 (Sunday)")
        yield from problems_of_lateness(self, pointer)
