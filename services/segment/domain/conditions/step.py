"""One event of a pattern: its name, and what its properties must be; and patterns of two of them."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from services.segment.domain.calendars.durations import InvalidDuration, parse
from services.segment.domain.conditions.base import Limits, Problem, later
from services.segment.domain.conditions.customer import Customer, Happening
from services.segment.domain.conditions.filters import filters_sql
from services.segment.domain.conditions.moments import FOR_EVER
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.window import Window
from shared.contracts.property_filter import PropertyFilter, matches, problems

Interval = tuple[datetime, datetime]
"""From the first moment at which something is true to the first at which it is not any more."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event by name, whose properties match all filters."""

    event: str
    where: tuple[PropertyFilter, ...] = ()

    def of(self, customer: Customer) -> Sequence[Happening]:
        """Returns the customer's happenings that match, by time."""
        happenings = customer.history.get(self.event, ())
        if not self.where:
            return happenings
        match = matches(self.where)
        return [one for one in happenings if match(one.properties)]

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


def kept_in(window: Window, happenings: Iterable[Happening]) -> Iterator[Interval]:
    """Yields the happenings that are ever in a window: the moment of each, and where it leaves the window."""
    kept = window.span
    since, until = window.bounds if kept is None else (None, None)
    for one in happenings:
        if (since is None or one.at >= since) and (until is None or one.at < until):
            yield one.at, FOR_EVER if kept is None else later(one.at, kept) or FOR_EVER


def next_within(moments: Sequence[datetime], after: datetime, span: timedelta) -> datetime | None:
    """Returns the first of ascending moments that is later than `after`, by `span` at most."""
    n = bisect_right(moments, after)
    if n == len(moments):
        return None
    try:
        return moments[n] if moments[n] <= after + span else None
    except OverflowError:
        return moments[n]


def holds(intervals: Iterable[Interval], now: datetime) -> bool:
    """Returns whether a moment lies in one of these."""
    return any(start <= now < end for start, end in intervals)


def next_flip(intervals: Iterable[Interval], now: datetime) -> datetime | None:
    """Returns the first moment after `now` at which `holds` answers otherwise; None if it always answers alike."""
    ahead = sorted((start, end) for start, end in intervals if end > now and start < end)
    if not ahead:
        return None
    if ahead[0][0] > now:
        return ahead[0][0]
    covered = now
    for start, end in ahead:
        if start > covered:
            break
        covered = max(covered, end)
    return covered if covered < FOR_EVER else None
