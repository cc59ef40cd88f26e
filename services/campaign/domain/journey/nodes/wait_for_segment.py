"""A wait until the customer is a member of a segment, or is one no more, with a time-out."""

from collections.abc import Iterator, Mapping
from typing import Literal

from services.campaign.domain.journey.lengths import length, problems_of_length
from services.campaign.domain.journey.nodes.lateness import problems_of_lateness, when_due
from services.campaign.domain.journey.nodes.node import At, Known, NodeId, Waiting
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import TIMER, Leave, Outcome, Signal, Stay
from shared.contracts.changes import SegmentEntered, SegmentExited

_SEGMENT = "segment:"


class WaitForSegment(Waiting, frozen=True, kw_only=True, tag="wait_for_segment"):
    """Waits until the customer enters the live segment `segment`, or exits it, and goes on by `next`; after `timeout`
    by `on_timeout`.

    Who is already inside, or outside, goes on at once: what is waited for is so.
    """

    segment: str
    until: Literal["entered", "exited"] = "entered"
    timeout: str
    on_timeout: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its ways out."""
        return {**super().ports(), "timeout": self.on_timeout}

    def waits(self) -> bool:
        """Returns False: whoever is a member already passes, so a circle through here may have no end."""
        return False

    def enter(self, at: At) -> Outcome:
        """Returns the way on if it is so already, else that the run stays until it is, or the time is over."""
        if (self.segment in at.customer.segments) == (self.until == "entered"):
            return Leave("next", "already")
        return Stay(until=at.now + length(self.timeout), awaits=_SEGMENT + self.segment)

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on: that of the time-out, if nothing but time has come."""
        return when_due(self, at, "timeout") if signal == TIMER else Leave("next", signal.detail)

    def matches(self, change: SegmentEntered | SegmentExited) -> bool:
        """Returns whether a change of membership is the one that a run waits for."""
        entered = isinstance(change, SegmentEntered)
        return change.segment_id == self.segment and entered == (self.until == "entered")

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields an empty segment, and invalid lengths."""
        if not self.segment:
            yield Problem(f"{pointer}/segment", "must be a segment's id")
        yield from problems_of_length(self.timeout, f"{pointer}/timeout")
        yield from problems_of_lateness(self, pointer)
