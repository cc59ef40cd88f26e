"""What a property of a customer's events adds up to: sum, average, least, greatest, and how many different values."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem
from services.segment.domain.conditions.compare import COMPARE, SQL, Comparison, problems_of_number
from services.segment.domain.conditions.customer import ORDERS, Customer, Truth
from services.segment.domain.conditions.filters import filters_sql
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.step import problems_of_event
from services.segment.domain.conditions.window import Window, among, events_of, instants, known_sql, window_sql
from shared.contracts.property_filter import PropertyFilter, exact, is_number, is_scalar, leaves, matches

MAX_STEPS = 64  # candidates that are tried for the next change; a moment too early only costs a second look
By = Literal["sum", "average", "min", "max", "distinct"]


class Measure(Condition, frozen=True, kw_only=True, tag="measure", tag_field="kind"):
    """A property of a customer's events in a window, put together, against a number.

    `of` is a path as in filters; each value at it counts. Of no values the sum is 0, and so is the number of different
    ones; average, least and greatest are unknown.
    """

    event: str
    by: By
    of: str
    op: Comparison
    value: int | float
    where: tuple[PropertyFilter, ...] = ()
    window: Window | None = None

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        event, window, path = self.event, self.window, tuple(self.of.split("."))
        match, judge = matches(self.where), _judge(self.by, self.op, exact(self.value))

        def check(customer: Customer, now: datetime) -> Truth:
            counting = among(window, customer, customer.history.get(event, ()), now)
            if counting is None:
                return None
            return judge(value for one in counting if match(one.properties) for value in leaves(one.properties, path))

        return check

    def clock(self) -> Clock | None:
        """Returns when what leaves the window may change the answer."""
        check, event, window = self.compiled(), self.event, self.window

        def flips(customer: Customer, now: datetime) -> datetime | None:
            moments = sorted(set(instants(window, customer.history.get(event, ()), now)))
            verdict = check(customer, now)
            for n, at in enumerate(moments):
                if n == MAX_STEPS or check(customer, at) is not verdict:
                    return at
            return None

        return flips

    def sql(self, query: Query) -> str:
        """Returns the expression over what the history adds up to."""
        counts, since = window_sql(self.window, query)
        where = f"{counts} AND {filters_sql(self.where, query)}"
        path = "$" + "".join(f".{msgspec.json.encode(name).decode()}" for name in self.of.split("."))
        values = f"jsonb_path_query(h.properties, {query.value(path + ' ? (@ != null)', 'jsonpath')}) q(x)"
        bound, sign = query.value(self.value, "numeric"), SQL[self.op]
        if self.by == "distinct":
            different = f"""(SELECT count(DISTINCT x) FROM history h, {values}
                              WHERE h.profile_id = c.profile_id AND h.name = {query.value(self.event, "text")}
                                AND {where} AND jsonb_typeof(x) IN ('string', 'number', 'boolean'))"""
            return self._known(query, f"{different} {sign} {bound}")

        def per_row(aggregate: str) -> str:
            return f"(SELECT {aggregate}(CAST(x #>> '{{}}' AS numeric)) FROM {values} WHERE jsonb_typeof(x) = 'number')"

        def column(over: str, aggregate: str) -> str:
            return query.counted(f"{over}({per_row(aggregate)})", event=self.event, where=where, since=since)

        if self.by == "sum":
            return self._known(query, f"coalesce({column('sum', 'sum')}, 0) {sign} {bound}")
        if self.by == "average":  # without dividing: what PostgreSQL rounds, Python would not
            many = column("sum", "count")
            return self._known(query, f"(CASE WHEN {many} > 0 THEN {column('sum', 'sum')} {sign} {bound} * {many} END)")
        return self._known(query, f"{column(self.by, self.by)} {sign} {bound}")

    def _known(self, query: Query, expression: str) -> str:
        known = known_sql(self.window, query)
        return expression if known == "TRUE" else f"(CASE WHEN {known} THEN {expression} END)"

    def touches(self) -> Iterable[str]:
        """Returns the events."""
        return (f"event:{name}" for name in events_of(self.event, self.window))

    def events(self) -> Iterable[str]:
        """Returns the names of events whose history it reads."""
        return events_of(self.event, self.window)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with it; amounts of several currencies are not added up."""
        yield from problems_of_event(self.event, self.where)
        yield from problems_of_number(self.value)
        if not self.of or any(not part for part in self.of.split(".")):
            yield Problem("/of", "must be the name of a property, or a path of names joined by dots")
        if self.window is not None:
            yield from self.window.problems(limits, event=self.event)
        elif self.event != ORDERS:
            yield Problem("/window", "must be given: the properties of events are not kept for ever")
        fixed = any(one.property == "currency" and one.op == "eq" for one in self.where)
        if self.of.endswith("_minor") and self.by != "distinct" and not fixed:
            yield Problem(
                "/where",
                'must have {"property": "currency", "op": "eq", "value": "USD"} or the like: amounts of '
                "several currencies make no sum",
            )


def _judge(by: By, op: Comparison, bound: Any) -> Callable[[Iterator[Any]], Truth]:
    """Returns what puts values together and compares them with the bound."""
    compare = COMPARE[op]
    if by == "distinct":
        return lambda values: compare(len({_key(one) for one in values if is_scalar(one)}), bound)

    def judge(values: Iterator[Any]) -> Truth:
        numbers = [exact(one) for one in values if is_number(one)]
        if by == "sum":
            return compare(sum(numbers), bound)
        if not numbers:
            return None
        if by == "average":
            return compare(sum(numbers), bound * len(numbers))
        return compare(min(numbers) if by == "min" else max(numbers), bound)

    return judge


def _key(value: Any) -> tuple[str, Any]:
    """Returns what tells values apart as JSON does: true is not 1, and 1.0 is."""
    return ("flag", value) if isinstance(value, bool) else ("plain", exact(value))
