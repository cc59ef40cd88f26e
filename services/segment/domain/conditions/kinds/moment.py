"""When something was: the first and the last order, when a customer was first and last seen."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from services.segment.domain.calendars.durations import InvalidDuration, parse
from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, later, tidy
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query


class Moment(Condition, frozen=True, kw_only=True, tag="moment", tag_field="kind"):
    """A moment of the profile against a duration up to now (`within`, `longer_ago`) or a day in UTC (`before`, `from`).

    What was exactly `value` ago is longer ago, and not within. Without that moment the answer is unknown, except of
    `exists` and `missing`.
    """

    of: Literal["first_seen", "last_seen", "first_order_at", "last_order_at"]
    op: Literal["within", "longer_ago", "before", "from", "exists", "missing"]
    value: str = ""

    def __post_init__(self) -> None:
        if self.op in ("within", "longer_ago"):
            tidy(self, "value")

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name = self.of
        if self.op in ("exists", "missing"):
            wanted = self.op == "exists"
            return lambda customer, _: (getattr(customer, name) is not None) is wanted
        if self.op in ("before", "from"):
            day, before = _start(self.value), self.op == "before"

            def by_day(customer: Customer, _: datetime) -> Truth:
                at: datetime | None = getattr(customer, name)
                return None if at is None else (at < day) is before

            return by_day
        span, recent = parse(self.value), self.op == "within"

        def by_span(customer: Customer, now: datetime) -> Truth:
            at: datetime | None = getattr(customer, name)
            return None if at is None else (now < _end(at, span)) is recent

        return by_span

    def clock(self) -> Clock | None:
        """Returns the moment at which the duration has passed."""
        if self.op not in ("within", "longer_ago"):
            return None
        name, span = self.of, parse(self.value)

        def ends(customer: Customer, now: datetime) -> datetime | None:
            at: datetime | None = getattr(customer, name)
            end = None if at is None else later(at, span)
            return end if end is not None and end > now else None

        return ends

    def sql(self, query: Query) -> str:
        """Returns the expression over `p`."""
        column = f"p.{self.of}"
        if self.op in ("exists", "missing"):
            return f"{column} IS {'NOT ' if self.op == 'exists' else ''}NULL"
        if self.op in ("before", "from"):
            return f"{column} {'<' if self.op == 'before' else '>='} {query.value(_start(self.value), 'timestamptz')}"
        try:
            since = query.now - parse(self.value)
        except OverflowError:
            return f"(CASE WHEN {column} IS NOT NULL THEN {'TRUE' if self.op == 'within' else 'FALSE'} END)"
        return f"{column} {'>' if self.op == 'within' else '<='} {query.value(since, 'timestamptz')}"

    def touches(self) -> Iterable[str]:
        """Returns the figures, or that a customer was seen."""
        return ("seen",) if self.of.endswith("seen") else ("figure",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the value."""
        if self.op in ("exists", "missing"):
            if self.value:
                yield Problem("/value", f"must be left out: {self.op} takes no value")
        elif self.op in ("within", "longer_ago"):
            try:
                parse(self.value)
            except InvalidDuration as error:
                yield Problem("/value", str(error))
        else:
            try:
                date.fromisoformat(self.value)
            except ValueError:
                yield Problem("/value", "must be a day, as 2026-11-30")


def _start(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)


def _end(at: datetime, span: timedelta) -> datetime:
    return later(at, span) or datetime.max.replace(tzinfo=UTC)
