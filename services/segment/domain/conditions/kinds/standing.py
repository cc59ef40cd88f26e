"""Where a customer stands: tier, lifecycle stage, scores and classes."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from services.segment.domain.conditions.base import Check, Condition, Limits, Problem
from services.segment.domain.conditions.compare import Comparison, problems_of_number, test, test_sql
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query


class InTier(Condition, frozen=True, kw_only=True, tag="tier", tag_field="kind"):
    """The customer's tier in the default programme is one of these."""

    among: tuple[str, ...]

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        names = frozenset(self.among)
        return lambda customer, _: customer.tiers.get("default") in names

    def sql(self, query: Query) -> str:
        """Returns the expression over `c.tier`."""
        return f"c.tier = ANY({query.value(sorted(self.among), 'text[]')})"

    def touches(self) -> Iterable[str]:
        """Returns the tier."""
        return ("tier",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that there is none."""
        if not self.among:
            yield Problem("/among", "must name at least one tier")


class InStage(Condition, frozen=True, kw_only=True, tag="stage", tag_field="kind"):
    """The customer's lifecycle stage is one of these."""

    among: tuple[str, ...]

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        names = frozenset(self.among)
        return lambda customer, _: customer.stage in names

    def sql(self, query: Query) -> str:
        """Returns the expression over `c.stage`."""
        return f"c.stage = ANY({query.value(sorted(self.among), 'text[]')})"

    def touches(self) -> Iterable[str]:
        """Returns the stage."""
        return ("stage",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that there is none."""
        if not self.among:
            yield Problem("/among", "must name at least one lifecycle stage")


class Scored(Condition, frozen=True, kw_only=True, tag="score", tag_field="kind"):
    """An RFM score, 1 to 5, against a number; unknown of a customer without an order."""

    of: Literal["recency", "frequency", "monetary"]
    op: Comparison
    value: int

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        name, passes = self.of, test(self.op, self.value)

        def check(customer: Customer, _: datetime) -> Truth:
            score = customer.scores.get(name)
            return None if score is None else passes(score)

        return check

    def sql(self, query: Query) -> str:
        """Returns the expression over the score's column."""
        return test_sql(f"c.{self.of}", self.op, self.value, query)

    def touches(self) -> Iterable[str]:
        """Returns the scores."""
        return ("score",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the number."""
        yield from problems_of_number(self.value)


class InGroup(Condition, frozen=True, kw_only=True, tag="rfm_group", tag_field="kind"):
    """The customer's RFM group is one of these, as champions; unknown of a customer who was not scored."""

    among: tuple[str, ...]

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return _class("rfm_group", self.among)

    def sql(self, query: Query) -> str:
        """Returns the expression over `c.rfm_group`."""
        return f"c.rfm_group = ANY({query.value(sorted(self.among), 'text[]')})"

    def touches(self) -> Iterable[str]:
        """Returns the scores."""
        return ("score",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that there is none."""
        if not self.among:
            yield Problem("/among", "must name at least one RFM group")


class InClass(Condition, frozen=True, kw_only=True, tag="abc", tag_field="kind"):
    """The customer's class by share of revenue is one of these, A, B or C; unknown of who was not classed."""

    among: tuple[Literal["A", "B", "C"], ...]

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return _class("abc", self.among)

    def sql(self, query: Query) -> str:
        """Returns the expression over `c.abc`."""
        return f"c.abc = ANY({query.value(sorted(self.among), 'text[]')})"

    def touches(self) -> Iterable[str]:
        """Returns the scores."""
        return ("score",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that there is none."""
        if not self.among:
            yield Problem("/among", "must name at least one class: A, B or C")


class KeyCustomer(Condition, frozen=True, kw_only=True, tag="key_customer", tag_field="kind"):
    """The customer is one of the few who bring most of the revenue."""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return lambda customer, _: "key_customer" in customer.classes

    def sql(self, query: Query) -> str:
        """Returns the expression over `c.key_customer`."""
        return "c.key_customer"

    def touches(self) -> Iterable[str]:
        """Returns the scores."""
        return ("score",)


def _class(name: str, among: Iterable[str]) -> Check:
    wanted = frozenset(among)

    def check(customer: Customer, _: datetime) -> Truth:
        found = customer.classes.get(name)
        return None if found is None else found in wanted

    return check
