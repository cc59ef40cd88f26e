"""A wait of some length."""

from collections.abc import Iterator

from services.campaign.domain.journey.lengths import length, problems_of_length
from services.campaign.domain.journey.nodes.lateness import problems_of_lateness, when_due
from services.campaign.domain.journey.nodes.node import At, Known, Waiting
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Outcome, Signal, Stay


class Wait(Waiting, frozen=True, kw_only=True, tag="wait"):
    """Waits for `time`, such as `PT30M`, `P3D` or `P365D`, from the moment at which a run comes here."""

    time: str

    def enter(self, at: At) -> Outcome:
        """Returns that the run stays so long."""
        return Stay(until=at.now + length(self.time))

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on."""
        return when_due(self, at)

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields an invalid length."""
        yield from problems_of_length(self.time, f"{pointer}/time")
        yield from problems_of_lateness(self, pointer)
