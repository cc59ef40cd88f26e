"""A wait for an event of the customer, with a time-out."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.campaign.domain.journey.events import awaiting_event, event_matches, problems_of_event
from services.campaign.domain.journey.lengths import length, problems_of_length
from services.campaign.domain.journey.nodes.lateness import problems_of_lateness, when_due
from services.campaign.domain.journey.nodes.node import At, Known, NodeId, Waiting
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import TIMER, Leave, Outcome, Run, Signal, Stay
from shared.contracts.property_filter import PropertyFilter


class WaitForEvent(Waiting, frozen=True, kw_only=True, tag="wait_for_event"):
    """Waits for `event`, whose properties match `where`, and goes on by `next`; after `timeout` by `on_timeout`.

    `same` names a property that must be what it is in the event that let the customer in: this order's payment.
    """

    event: str
    where: tuple[PropertyFilter, ...] = ()
    same: str | None = None
    timeout: str
    on_timeout: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its ways out."""
        return {**super().ports(), "timeout": self.on_timeout}

    def enter(self, at: At) -> Outcome:
        """Returns that the run stays until the event comes, or the time is over."""
        return Stay(until=at.now + length(self.timeout), awaits=awaiting_event(self.event))

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on: that of the time-out, if nothing but time has come."""
        return when_due(self, at, "timeout") if signal == TIMER else Leave("next", signal.detail)

    def matches(self, run: Run, properties: Mapping[str, Any]) -> bool:
        """Returns whether an event of this name is the one that a run waits for."""
        return event_matches(self.where, self.same, run.data.get("event", {}), properties)

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields invalid filters and lengths."""
        yield from problems_of_event(self.event, self.where, pointer)
        yield from problems_of_length(self.timeout, f"{pointer}/timeout")
        yield from problems_of_lateness(self, pointer)
