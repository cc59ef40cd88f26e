"""One event and then another, within a time."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from services.segment.domain.calendars.durations import parse
from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, tidy
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.step import (
    Interval,
    Step,
    holds,
    kept_in,
    next_flip,
    next_within,
    problems_of_span,
)
from services.segment.domain.conditions.window import Window, window_sql


class Sequence(Condition, frozen=True, kw_only=True, tag="sequence", tag_field="kind"):
    """`first` happened, and `then` after it, `within` a time at most. `window` is that of the first."""

    first: Step
    then: Step
    within: str
    window: Window

    def __post_init__(self) -> None:
        tidy(self, "within")

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""

        def check(customer: Customer, now: datetime) -> Truth:
            return holds(self._intervals(customer), now)

        return check

    def _intervals(self, customer: Customer) -> Iterator[Interval]:
        """Yields when it is true for each first event: from the second to where the first leaves the window."""
        firsts = self.first.of(customer)
        moments = [one.at for one in self.then.of(customer)] if firsts else []
        if not moments:
            return
        span = parse(self.within)
        for at, leaves in kept_in(self.window, firsts):
            then = next_within(moments, at, span)
            if then is not None:
                yield then, leaves

    def clock(self) -> Clock | None:
        """Returns when the last such pair leaves the window."""
        return lambda customer, now: next_flip(self._intervals(customer), now)

    def sql(self, query: Query) -> str:
        """Returns the expression over pairs of the history."""
        counts, _ = window_sql(self.window, query, "f")
        return f"""c.profile_id IN (
               SELECT f.profile_id
                 FROM history f
                 JOIN history t ON t.profile_id = f.profile_id AND t.at > f.at
                  AND t.at <= f.at + {query.value(parse(self.within), "interval")} AND t.at <= :now
                WHERE {self.first.sql(query, "f")} AND {counts} AND {self.then.sql(query, "t")}
                  AND {query.among("f.profile_id")})"""

    def touches(self) -> Iterable[str]:
        """Returns both events."""
        return (f"event:{self.first.event}", f"event:{self.then.event}")

    def events(self) -> Iterable[str]:
        """Returns both events."""
        return (self.first.event, self.then.event)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the steps, the time and the window."""
        yield from self.first.problems("/first")
        yield from self.then.problems("/then")
        yield from problems_of_span(self.within, limits)
        yield from self.window.problems(limits, event=self.first.event)
        if self.window.after:
            yield Problem("/window/after", "must be left out: give within, or since and until")
