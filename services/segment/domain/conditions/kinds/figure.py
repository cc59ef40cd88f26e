"""A figure of the profile: orders, spend, average order."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.compare import COMPARE, SQL, Comparison, problems_of_number, test, test_sql
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query
from shared.contracts.property_filter import exact


class Figure(Condition, frozen=True, kw_only=True, tag="figure", tag_field="kind"):
    """A lifetime figure of the profile against a number.

    `orders` counts what was placed and not cancelled; `spend` and `average_order` are what was paid and not refunded,
    in minor units of `currency`. A customer without orders has 0 orders and 0 spend, and no average: unknown.
    """

    name: Literal["orders", "spend", "average_order"]
    op: Comparison
    value: int | float
    currency: str = ""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        passes, currency = test(self.op, self.value), self.currency
        if self.name == "orders":
            return lambda customer, _: passes(customer.orders)
        if self.name == "spend":
            return lambda customer, _: passes(customer.spend_minor.get(currency, 0))
        compare, bound = COMPARE[self.op], exact(self.value)

        def average(customer: Customer, _: datetime) -> Truth:
            if not customer.orders or currency not in customer.spend_minor:
                return None
            return compare(customer.spend_minor[currency], bound * customer.orders)

        return average

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.orders` and `p.spend_minor`."""
        if self.name == "orders":
            return test_sql("coalesce(p.orders, 0)", self.op, self.value, query)
        spend = f"CAST(p.spend_minor ->> {query.value(self.currency, 'text')} AS numeric)"
        if self.name == "spend":
            return test_sql(f"coalesce({spend}, 0)", self.op, self.value, query)
        bound = f"({query.value(self.value, 'numeric')} * p.orders)"
        return f"(CASE WHEN p.orders > 0 THEN {spend} {SQL[self.op]} {bound} END)"

    def touches(self) -> Iterable[str]:
        """Returns the figures."""
        return ("figure",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the number and the currency."""
        yield from problems_of_number(self.value)
        needs = self.name != "orders"
        if needs and not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            yield Problem("/currency", f"must be a currency, as USD: {self.name} is an amount of one")
        if not needs and self.currency:
            yield Problem("/currency", f"must be left out: {self.name} is no amount")
