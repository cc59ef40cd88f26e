"""A wait for a day of the customer's life."""

from collections.abc import Iterator, Mapping
from datetime import time
from typing import Annotated

from msgspec import Meta

from services.campaign.domain.journey.dates import matching, next_moment
from services.campaign.domain.journey.local_time import problems_of_time
from services.campaign.domain.journey.nodes.lateness import problems_of_lateness, when_due
from services.campaign.domain.journey.nodes.node import At, Known, NodeId, Waiting
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Leave, Outcome, Signal, Stay


class WaitForDate(Waiting, frozen=True, kw_only=True, tag="wait_for_date"):
    """Waits until `time` in the customer's zone, `days_before` the next anniversary of a dated fact.

    `fact` is its kind, such as `birthday`; of several facts of the kind the first to come counts, or the one of this
    `label`. A customer without such a fact goes on by `on_unknown`.
    """

    fact: Annotated[str, Meta(min_length=1, max_length=40)]
    label: str | None = None
    days_before: Annotated[int, Meta(ge=0, le=365)] = 0
    time: str = "09:00"
    on_unknown: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its ways out."""
        return {**super().ports(), "unknown": self.on_unknown}

    def enter(self, at: At) -> Outcome:
        """Returns that the run stays until then."""
        clock = time.fromisoformat(self.time)
        moments = (
            next_moment(fact, at.customer.time_zone, clock, days_before=self.days_before, after=at.now)
            for fact in matching(at.customer.facts, self.fact, self.label)
        )
        first = min((one for one in moments if one is not None), default=None)
        return Leave("unknown", f"no {self.fact}") if first is None else Stay(until=first)

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on."""
        return when_due(self, at)

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields an invalid time."""
        yield from problems_of_time(self.time, f"{pointer}/time")
        yield from problems_of_lateness(self, pointer)
