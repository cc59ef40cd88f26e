"""The end of a journey, by a name of its own."""

from collections.abc import Iterator, Mapping

import msgspec

from services.campaign.domain.journey.nodes.node import At, Known, NodeId
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import End, Outcome, RunState, Signal


class Exit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="exit"):
    """Ends the run, and keeps `reason`."""

    reason: str = "finished"

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns none."""
        return {}

    def enter(self, at: At) -> Outcome:
        """Returns the end."""
        return End(self.reason, RunState.FINISHED)

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Raises `AssertionError`: no run waits here."""
        raise AssertionError(f"node {at.id}: {signal.name} came, and no run waits here")

    def waits(self) -> bool:
        """Returns False."""
        return False

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields nothing."""
        yield from ()
