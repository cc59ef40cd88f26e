"""The first or the last time that something happened."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from services.segment.domain.conditions import moments
from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, tidy
from services.segment.domain.conditions.customer import ORDERS, Customer
from services.segment.domain.conditions.query import Query


class Happened(Condition, frozen=True, kw_only=True, tag="occurrence", tag_field="kind"):
    """When an event happened first or last, ever, against a duration up to now or a day in UTC.

    As the kind `moment`: what was exactly `value` ago is `longer_ago`. Unknown of what never happened.
    """

    which: Literal["first", "last"]
    event: str
    op: Literal["within", "longer_ago", "before", "from"]
    value: str

    def __post_init__(self) -> None:
        if self.op in moments.SPANS:
            tidy(self, "value")

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return moments.compiled(self.op, self.value, self._moment)

    def _moment(self, customer: Customer, now: datetime) -> datetime | None:
        if self.event == ORDERS:
            orders = [one.at for one in customer.history.get(ORDERS, ()) if one.at <= now]
            return (orders[0] if self.which == "first" else orders[-1]) if orders else None
        found = customer.occurrences.get(self.event)
        return None if found is None else found.first_at if self.which == "first" else found.last_at

    def clock(self) -> Clock | None:
        """Returns when the duration has passed, or an order's moment comes."""

        def ends(customer: Customer, now: datetime) -> datetime | None:
            end = moments.passed(self.op, self.value, self._moment(customer, now))
            comes = customer.history.get(ORDERS, ()) if self.event == ORDERS else ()
            ahead = [one.at for one in comes if one.at > now]
            if end is not None and end > now:
                ahead.append(end)
            return min(ahead, default=None)

        return ends

    def sql(self, query: Query) -> str:
        """Returns the expression over the orders, or the counts for ever."""
        aggregate = "min" if self.which == "first" else "max"
        if self.event == ORDERS:
            at = query.counted(f"{aggregate}(h.at)", event=ORDERS, where="h.at <= :now", since=None)
        else:
            at = f"""(SELECT o.{self.which}_at FROM occurrences o
                       WHERE o.profile_id = c.profile_id AND o.name = {query.value(self.event, "text")})"""
        return moments.sql(self.op, self.value, at, query)

    def touches(self) -> Iterable[str]:
        """Returns the event."""
        return (f"event:{self.event}",)

    def events(self) -> Iterable[str]:
        """Returns orders, if it is about them."""
        return (ORDERS,) if self.event == ORDERS else ()

    def details(self) -> Iterable[str]:
        """Returns none."""
        return ()

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the value."""
        if not self.event:
            yield Problem("/event", "must be the name of an event, as product_viewed")
        yield from moments.problems(self.op, self.value)
