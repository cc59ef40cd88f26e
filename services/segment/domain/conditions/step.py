"""One event of a pattern: its name, and what its properties must be; and patterns of two of them."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

import msgspec

from services.segment.domain.conditions.base import FOR_EVER, Check, Clock, Condition, Limits, Problem
from services.segment.domain.conditions.customer import Customer, Happening
from services.segment.domain.conditions.filters import filters_sql
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.window import Window
from shared.calendars.durations import InvalidDuration, parse
from shared.contracts.property_filter import PropertyFilter, matches, problems

Interval = tuple[datetime, datetime]
"""From the first moment at which something is true to the first at which it is not any more."""

Intervals = Callable[[Customer, datetime], Sequence[Interval]]
"""Returns the intervals in which something is true of a customer that end after a moment, in any order; they may meet
and overlap, and be empty."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event by name, whose properties match all filters."""

    event: str
    where: tuple[PropertyFilter, ...] = ()

    def finder(self) -> Callable[[Customer], Sequence[Happening]]:
        """Returns what finds a customer's happenings that match, by time."""
        event = self.event
        if not self.where:
            return lambda customer: customer.history.get(event, ())
        match = matches(self.where)
        return lambda customer: [one for one in customer.history.get(event, ()) if match(one.properties)]

    def sql(self, query: Query, row: str) -> str:
        """Returns what a row of the history has to fulfil."""
        return (
            f"{row}.name = {query.value(self.event, 'text')} AND {filters_sql(self.where, query, f'{row}.properties')}"
        )

    def problems(self, pointer: str) -> Iterator[Problem]:
        """Yields what is wrong with it."""
        yield from problems_of_event(self.event, self.where, pointer)


def problems_of_event(event: str, where: tuple[PropertyFilter, ...], pointer: str = "") -> Iterator[Problem]:
    """Yields what is wrong with an event's name and filters."""
    if not event:
        yield Problem(f"{pointer}/event", "must be the name of an event, as product_viewed")
    yield from (Problem(f"{pointer}/where{where_}", detail) for where_, detail in problems(where))


def problems_of_span(text: str, limits: Limits, pointer: str = "/within") -> Iterator[Problem]:
    """Yields what is wrong with the duration between two steps."""
    try:
        span = parse(text)
    except InvalidDuration as error:
        yield Problem(pointer, str(error))
        return
    if span > limits.history:
        yield Problem(pointer, f"must be at most P{limits.history.days}D, for which histories are kept")


def keeper(window: Window) -> Callable[[Happening], datetime | None]:
    """Returns what tells where a happening leaves a window; None for one that is never in it."""
    kept = window.span
    if kept is not None:
        span = kept

        def sliding(one: Happening) -> datetime | None:
            try:
                return one.at + span
            except OverflowError:
                return FOR_EVER

        return sliding
    since, until = window.bounds

    def between(one: Happening) -> datetime | None:
        inside = (since is None or one.at >= since) and (until is None or one.at < until)
        return FOR_EVER if inside else None

    return between


class Pattern(Condition, frozen=True, kw_only=True):
    """A condition on two events that is true in intervals, and never unknown."""

    def intervals(self) -> Intervals:
        """Returns what yields the intervals in which it is true of a customer."""
        raise NotImplementedError

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        intervals = self.intervals()
        return lambda customer, now: any(start <= now < upto for start, upto in intervals(customer, now))

    def clock(self) -> Clock | None:
        """Returns when an interval begins, or the last of those that hold the moment ends."""
        turns = self.turns()
        return lambda customer, now: turns(customer, now)[1]

    def turns(self) -> Callable[[Customer, datetime], tuple[bool, datetime | None]]:
        """Returns both, in one walk."""
        intervals = self.intervals()

        def turns(customer: Customer, now: datetime) -> tuple[bool, datetime | None]:
            ahead = [one for one in intervals(customer, now) if one[0] < one[1]]
            if not ahead:
                return False, None
            if len(ahead) == 1:
                [(start, upto)] = ahead
                if start > now:
                    return False, start
                return True, upto if upto < FOR_EVER else None
            return any(start <= now for start, _ in ahead), _next_flip(ahead, now)

        return turns


_at: Final = attrgetter("at")


def next_within(happenings: Sequence[Happening], after: datetime, span: timedelta) -> datetime | None:
    """Returns when the first of happenings, which ascend, is that is later than `after`, by `span` at most."""
    n = bisect_right(happenings, after, key=_at)
    if n == len(happenings):
        return None
    at = happenings[n].at
    try:
        return at if at <= after + span else None
    except OverflowError:
        return at


def _next_flip(ahead: list[Interval], now: datetime) -> datetime | None:
    """Returns the first moment after `now` at which these intervals, which end later, begin or cease to hold it.

    None if they never do.
    """
    ahead.sort()
    if ahead[0][0] > now:
        return ahead[0][0]
    covered = now
    for start, upto in ahead:
        if start > covered:
            break
        covered = max(covered, upto)
    return covered if covered < FOR_EVER else None
