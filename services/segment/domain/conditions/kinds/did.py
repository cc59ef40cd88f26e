"""How often a customer did something."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from services.segment.domain.conditions.base import (
    MAX_HISTORY_ROWS,
    Check,
    Clock,
    Condition,
    Limits,
    Problem,
    Turns,
    later,
)
from services.segment.domain.conditions.compare import Comparison, test, test_sql
from services.segment.domain.conditions.customer import ORDERS, Customer, Truth
from services.segment.domain.conditions.filters import filters_sql
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.step import problems_of_event
from services.segment.domain.conditions.window import Window, among, events_of, known_sql, window_sql
from shared.contracts.property_filter import PropertyFilter, matches

_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Did(Condition, frozen=True, kw_only=True, tag="did", tag_field="kind"):
    """How many of a customer's events of a name, whose properties match, lie in a window, against a number.

    Without a number it is "at least once". `order_placed` counts the orders that stand, each once, at the time at which
    it was placed. Without a window it is all that ever happened. Unknown only where the window begins after another
    event that never happened.
    """

    event: str
    where: tuple[PropertyFilter, ...] = ()
    op: Comparison = "ge"
    times: int = 1
    window: Window | None = None

    @property
    def for_ever(self) -> bool:
        """Whether it asks for more than histories have: then the counts for ever answer."""
        return self.window is None and self.event != ORDERS

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        event, passes, window = self.event, test(self.op, self.times), self.window
        if self.for_ever:
            return lambda customer, _: passes(_times_ever(customer, event))
        match = matches(self.where) if self.where else None
        span = None if window is None else window.span
        if span is not None and match is None:
            return _sliding(event, span, passes)

        def check(customer: Customer, now: datetime) -> Truth:
            counting = among(window, customer, customer.history.get(event, ()), now)
            if counting is None:
                return None
            if match is None:
                return passes(sum(1 for _ in counting))
            return passes(sum(1 for one in counting if match(one.properties)))

        return check

    def clock(self) -> Clock | None:
        """Returns when the number passes the bound because what counts leaves the window, or a moment comes."""
        if self.for_ever:
            return None
        check, passes, match = self.compiled(), test(self.op, self.times), matches(self.where)
        event, window = self.event, self.window
        span = None if window is None else window.span
        turns = self.turns()

        def flips(customer: Customer, now: datetime) -> datetime | None:
            happenings = customer.history.get(event, ())
            if not happenings:
                return None
            if turns is not None and (found := turns(customer, now)) is not None:
                return found[1]
            if check(customer, now) is None:
                return None
            counting = among(window, customer, happenings, now) or ()
            times = sum(1 for one in counting if match(one.properties))
            changes: Counter[datetime] = Counter()
            for one in happenings:
                end = None if span is None else later(one.at, span)
                if (end is not None and end <= now) or not match(one.properties):
                    continue
                if one.at > now:
                    changes[one.at] += 1
                if end is not None:
                    changes[end] -= 1
            verdict = passes(times)
            for at in sorted(changes):
                times += changes[at]
                if passes(times) is not verdict:
                    return at
            return None

        return flips

    def turns(self) -> Turns | None:
        """Returns both in one look at the newest events: of a bound in a sliding window, whatever the properties."""
        span = None if self.window is None else self.window.span
        op: str = self.op
        if not self.times:  # not once: at most that often
            op = {"eq": "le", "ne": "gt"}.get(op, op)
        if span is None or self.where or op in ("eq", "ne"):
            return None
        # A number below the bound stays there by time alone.
        bound, least = self.times + (op in ("gt", "le")), op in ("ge", "gt")
        return _newest(self.event, span, bound, least)

    def sql(self, query: Query) -> str:
        """Returns the expression over the counts of the history, or those for ever."""
        if self.for_ever:
            ever = f"""(SELECT o.times FROM occurrences o
                         WHERE o.profile_id = c.profile_id AND o.name = {query.value(self.event, "text")})"""
            return test_sql(f"coalesce({ever}, 0)", self.op, self.times, query)
        counts, since = window_sql(self.window, query)
        where = f"{counts} AND {filters_sql(self.where, query)}"
        column = query.counted("count(*)", event=self.event, where=where, since=since)
        counted = test_sql(f"coalesce({column}, 0)", self.op, self.times, query)
        known = known_sql(self.window, query)
        return counted if known == "TRUE" else f"(CASE WHEN {known} THEN {counted} END)"

    def touches(self) -> Iterable[str]:
        """Returns the events."""
        return (f"event:{name}" for name in events_of(self.event, self.window))

    def events(self) -> Iterable[str]:
        """Returns the names of events whose history it reads."""
        return () if self.for_ever else events_of(self.event, self.window)

    def details(self) -> Iterable[str]:
        """Returns the event, if its properties must match."""
        return (self.event,) if self.where and not self.for_ever else ()

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with it; what would need a history without end is named."""
        yield from problems_of_event(self.event, self.where)
        if not 0 <= self.times <= MAX_HISTORY_ROWS:
            yield Problem("/times", f"must be from 0 to {MAX_HISTORY_ROWS}: so many events of a name are kept")
        if self.window is not None:
            yield from self.window.problems(limits, event=self.event)
        elif self.where and self.event != ORDERS:
            yield Problem(
                "/window",
                "must be given: without a window only how often an event happened is kept, not its properties",
            )


def _sliding(event: str, span: timedelta, passes: Callable[[int], bool]) -> Check:
    """Returns the quick closure of what most definitions ask: how many in a window, whatever their properties."""

    def check(customer: Customer, now: datetime) -> Truth:
        happenings = customer.history.get(event)
        if not happenings:
            return passes(0)
        try:
            start = now - span
        except OverflowError:
            start = _BEGINNING
        times = 0
        for one in happenings:
            if start < one.at <= now:
                times += 1
        return passes(times)

    return check


def _newest(event: str, span: timedelta, bound: int, least: bool) -> Turns:
    """Returns what looks at the newest event but `bound` - 1: while it is in the window, the number reaches the bound.

    The number is to be the bound at least, or else less.
    """

    def turns(customer: Customer, now: datetime) -> tuple[bool, datetime | None] | None:
        happenings = customer.history.get(event, ())
        if not bound:
            return least, None
        if len(happenings) < bound:
            return not least, None
        if happenings[-1].at > now:  # the clocks of services differ
            return None
        end = later(happenings[-bound].at, span)
        if end is None:
            return least, None
        return (least, end) if end > now else (not least, None)

    return turns


def _times_ever(customer: Customer, event: str) -> int:
    found = customer.occurrences.get(event)
    return 0 if found is None else found.times
