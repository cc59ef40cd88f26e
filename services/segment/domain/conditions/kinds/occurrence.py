"""The first or the last time that something happened."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Literal

from services.segment.domain.calendars.durations import InvalidDuration, parse
from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, later, tidy
from services.segment.domain.conditions.customer import ORDERS, Customer, Truth
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.step import FOR_EVER


class Happened(Condition, frozen=True, kw_only=True, tag="occurrence", tag_field="kind"):
    """When an event happened first or last, ever, against a duration up to now or a day in UTC.

    As the kind `moment`: what was exactly `value` ago is `longer_ago`. Unknown of what never happened.
    """

    which: Literal["first", "last"]
    event: str
    op: Literal["within", "longer_ago", "before", "from"]
    value: str

    def __post_init__(self) -> None:
        if self.op in ("within", "longer_ago"):
            tidy(self, "value")

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        moment = self._moment
        if self.op in ("before", "from"):
            day, before = _start(self.value), self.op == "before"

            def by_day(customer: Customer, now: datetime) -> Truth:
                at = moment(customer, now)
                return None if at is None else (at < day) is before

            return by_day
        span, recent = parse(self.value), self.op == "within"

        def by_span(customer: Customer, now: datetime) -> Truth:
            at = moment(customer, now)
            return None if at is None else (now < (later(at, span) or FOR_EVER)) is recent

        return by_span

    def _moment(self, customer: Customer, now: datetime) -> datetime | None:
        if self.event == ORDERS:
            orders = [one.at for one in customer.history.get(ORDERS, ()) if one.at <= now]
            return (orders[0] if self.which == "first" else orders[-1]) if orders else None
        found = customer.occurrences.get(self.event)
        return None if found is None else found.first_at if self.which == "first" else found.last_at

    def clock(self) -> Clock | None:
        """Returns when the duration has passed, or an order's moment comes."""
        span = parse(self.value) if self.op in ("within", "longer_ago") else None

        def ends(customer: Customer, now: datetime) -> datetime | None:
            at = self._moment(customer, now)
            end = None if at is None or span is None else later(at, span)
            comes = customer.history.get(ORDERS, ()) if self.event == ORDERS else ()
            moments = [one.at for one in comes if one.at > now]
            if end is not None and end > now:
                moments.append(end)
            return min(moments, default=None)

        return ends

    def sql(self, query: Query) -> str:
        """Returns the expression over the orders, or the counts for ever."""
        aggregate = "min" if self.which == "first" else "max"
        if self.event == ORDERS:
            at = query.counted(f"{aggregate}(h.at)", event=ORDERS, where="h.at <= :now", since=None)
        else:
            at = f"""(SELECT o.{self.which}_at FROM occurrences o
                       WHERE o.profile_id = c.profile_id AND o.name = {query.value(self.event, "text")})"""
        if self.op in ("before", "from"):
            return f"{at} {'<' if self.op == 'before' else '>='} {query.value(_start(self.value), 'timestamptz')}"
        try:
            since = query.now - parse(self.value)
        except OverflowError:
            return f"(CASE WHEN {at} IS NOT NULL THEN {'TRUE' if self.op == 'within' else 'FALSE'} END)"
        return f"{at} {'>' if self.op == 'within' else '<='} {query.value(since, 'timestamptz')}"

    def touches(self) -> Iterable[str]:
        """Returns the event."""
        return (f"event:{self.event}",)

    def events(self) -> Iterable[str]:
        """Returns orders, if it is about them."""
        return (ORDERS,) if self.event == ORDERS else ()

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the value."""
        if not self.event:
            yield Problem("/event", "must be the name of an event, as product_viewed")
        try:
            if self.op in ("within", "longer_ago"):
                parse(self.value)
            else:
                date.fromisoformat(self.value)
        except InvalidDuration as error:
            yield Problem("/value", str(error))
        except ValueError:
            yield Problem("/value", "must be a day, as 2026-11-30")


def _start(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)
