"""One event and then another, within a time."""

import collections.abc
from collections.abc import Iterable, Iterator
from datetime import datetime

from services.segment.domain.conditions.base import Limits, Problem, tidy
from services.segment.domain.conditions.customer import Customer
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.step import (
    Interval,
    Intervals,
    Pattern,
    Step,
    keeper,
    next_within,
    problems_of_span,
)
from services.segment.domain.conditions.window import Window, window_sql
from shared.calendars.durations import parse


class Sequence(Pattern, frozen=True, kw_only=True, tag="sequence", tag_field="kind"):
    """`first` happened, and `then` after it, `within` a time at most. `window` is that of the first."""

    first: Step
    then: Step
    within: str
    window: Window

    def __post_init__(self) -> None:
        tidy(self, "within")

    def intervals(self) -> Intervals:
        """Returns what has, for each first event, the second and where the first leaves the window."""
        first, second = self.first.finder(), self.then.finder()
        span, leaving = parse(self.within), keeper(self.window)

        def found(customer: Customer, now: datetime) -> collections.abc.Sequence[Interval]:
            firsts = first(customer)
            if not firsts or not (seconds := second(customer)):
                return ()
            intervals: list[Interval] = []
            for one in firsts:
                leaves = leaving(one)
                if leaves is not None and leaves > now and (then := next_within(seconds, one.at, span)) is not None:
                    intervals.append((then, leaves))
            return intervals

        return found

    def sql(self, query: Query) -> str:
        """Returns the expression over pairs of the history."""
        counts, since = window_sql(self.window, query, "f")
        # The other event is later still: stated, so that an index finds it.
        later_still = f" AND t.at > {query.value(since, 'timestamptz')}" if since else ""
        return f"""c.profile_id IN (
               SELECT f.profile_id
                 FROM history f
                 JOIN history t ON t.profile_id = f.profile_id AND t.at > f.at
                  AND t.at <= f.at + {query.value(parse(self.within), "interval")} AND t.at <= :now{later_still}
                WHERE {self.first.sql(query, "f")} AND {counts} AND {self.then.sql(query, "t")}
                  AND {query.among("f.profile_id")})"""

    def touches(self) -> Iterable[str]:
        """Returns both events."""
        return (f"event:{self.first.event}", f"event:{self.then.event}")

    def events(self) -> Iterable[str]:
        """Returns both events."""
        return (self.first.event, self.then.event)

    def details(self) -> Iterable[str]:
        """Returns the event or events whose properties must match."""
        return (one.event for one in (self.first, self.then) if one.where)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the steps, the time and the window."""
        yield from self.first.problems("/first")
        yield from self.then.problems("/then")
        yield from problems_of_span(self.within, limits)
        yield from self.window.problems(limits, event=self.first.event)
        if self.window.after:
            yield Problem("/window/after", "must be left out: give within, or since and until")
