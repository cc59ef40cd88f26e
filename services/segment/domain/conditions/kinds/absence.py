"""One event, and another that did not follow within a time: a cart that was left, a product that was not bought."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from services.segment.domain.calendars.durations import InvalidDuration, parse
from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, later, tidy
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


class Absence(Condition, frozen=True, kw_only=True, tag="absence", tag_field="kind"):
    """`first` happened, and `without` did not follow `within` a time, which has passed. `window` is that of the first.

    So it becomes true by time alone: an hour after the cart was filled, if no order came in that hour.
    """

    first: Step
    without: Step
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
        """Yields when it is true for each first event: from the end of the time to where it leaves the window."""
        firsts = self.first.of(customer)
        if not firsts:
            return
        moments, span = [one.at for one in self.without.of(customer)], parse(self.within)
        for at, leaves in kept_in(self.window, firsts):
            passed = later(at, span)
            if passed is not None and next_within(moments, at, span) is None:
                yield passed, leaves

    def clock(self) -> Clock | None:
        """Returns when the time of a first event has passed, or the last such leaves the window."""
        return lambda customer, now: next_flip(self._intervals(customer), now)

    def sql(self, query: Query) -> str:
        """Returns the expression over the history."""
        counts, _ = window_sql(self.window, query, "f")
        span = query.value(parse(self.within), "interval")
        return f"""c.profile_id IN (
               SELECT f.profile_id
                 FROM history f
                WHERE {self.first.sql(query, "f")} AND {counts} AND f.at + {span} <= :now
                  AND {query.among("f.profile_id")}
                  AND NOT EXISTS (
                      SELECT FROM history w
                       WHERE w.profile_id = f.profile_id AND w.at > f.at AND w.at <= f.at + {span}
                         AND {self.without.sql(query, "w")}))"""

    def touches(self) -> Iterable[str]:
        """Returns both events."""
        return (f"event:{self.first.event}", f"event:{self.without.event}")

    def events(self) -> Iterable[str]:
        """Returns both events."""
        return (self.first.event, self.without.event)

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
