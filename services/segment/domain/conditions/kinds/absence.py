"""One event, and another that did not follow within a time: a cart that was left, a product that was not bought."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from services.segment.domain.conditions.base import Limits, Problem, later, tidy
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
from shared.calendars.durations import InvalidDuration, parse


class Absence(Pattern, frozen=True, kw_only=True, tag="absence", tag_field="kind"):
    """`first` happened, and `without` did not follow `within` a time, which has passed. `window` is that of the first.

    So it becomes true by time alone: an hour after the cart was filled, if no order came in that hour.
    """

    first: Step
    without: Step
    within: str
    window: Window

    def __post_init__(self) -> None:
        tidy(self, "within")

    def intervals(self) -> Intervals:
        """Returns what has, for each first event, the end of the time and where it leaves the window."""
        first, without = self.first.finder(), self.without.finder()
        span, leaving = parse(self.within), keeper(self.window)

        def found(customer: Customer, now: datetime) -> Sequence[Interval]:
            firsts = first(customer)
            if not firsts:
                return ()
            others = without(customer)
            intervals: list[Interval] = []
            for one in firsts:
                leaves = leaving(one)
                if leaves is None or leaves <= now or (others and next_within(others, one.at, span) is not None):
                    continue
                passed = later(one.at, span)
                if passed is not None:
                    intervals.append((passed, leaves))
            return intervals

        return found

    def sql(self, query: Query) -> str:
        """Returns the expression over the history."""
        counts, since = window_sql(self.window, query, "f")
        # The other event is later still: stated, so that an index finds it.
        later_still = f"w.at > {query.value(since, 'timestamptz')} AND " if since else ""
        span = query.value(parse(self.within), "interval")
        return f"""c.profile_id IN (
               SELECT f.profile_id
                 FROM history f
                WHERE {self.first.sql(query, "f")} AND {counts} AND f.at + {span} <= :now
                  AND {query.among("f.profile_id")}
                  AND NOT EXISTS (
                      SELECT FROM history w
                       WHERE {later_still}w.profile_id = f.profile_id AND w.at > f.at AND w.at <= f.at + {span}
                         AND {self.without.sql(query, "w")}))"""

    def touches(self) -> Iterable[str]:
        """Returns both events."""
        return (f"event:{self.first.event}", f"event:{self.without.event}")

    def events(self) -> Iterable[str]:
        """Returns both events."""
        return (self.first.event, self.without.event)

    def details(self) -> Iterable[str]:
        """Returns the event or events whose properties must match."""
        return (one.event for one in (self.first, self.without) if one.where)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the steps, the time and the window, which must be longer than the time."""
        yield from self.first.problems("/first")
        yield from self.without.problems("/without")
        yield from problems_of_span(self.within, limits)
        yield from self.window.problems(limits, event=self.first.event)
        if self.window.after:
            yield Problem("/window/after", "must be left out: give within, or since and until")
        try:
            if self.window.span is not None and self.window.span <= parse(self.within):
                yield Problem("/window/within", "must be longer than the time within which the other event is missed")
        except InvalidDuration:
            return
