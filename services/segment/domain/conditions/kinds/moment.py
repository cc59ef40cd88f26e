"""When something was: the first and the last order, when a customer was first and last seen."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from services.segment.domain.conditions import moments
from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, tidy
from services.segment.domain.conditions.customer import Customer
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
        if self.op in moments.SPANS:
            tidy(self, "value")

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name = self.of
        if self.op in ("exists", "missing"):
            wanted = self.op == "exists"
            return lambda customer, _: (getattr(customer, name) is not None) is wanted
        return moments.compiled(self.op, self.value, lambda customer, _: getattr(customer, name))

    def clock(self) -> Clock | None:
        """Returns the moment at which the duration has passed."""
        if self.op not in moments.SPANS:
            return None

        def ends(customer: Customer, now: datetime) -> datetime | None:
            end = moments.passed(self.op, self.value, getattr(customer, self.of))
            return end if end is not None and end > now else None

        return ends

    def sql(self, query: Query) -> str:
        """Returns the expression over `p`."""
        column = f"p.{self.of}"
        if self.op in ("exists", "missing"):
            return f"{column} IS {'NOT ' if self.op == 'exists' else ''}NULL"
        return moments.sql(self.op, self.value, column, query)

    def touches(self) -> Iterable[str]:
        """Returns the figures, or that a customer was seen."""
        return ("seen",) if self.of.endswith("seen") else ("figure",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the value."""
        if self.op not in ("exists", "missing"):
            yield from moments.problems(self.op, self.value)
        elif self.value:
            yield Problem("/value", f"must be left out: {self.op} takes no value")
