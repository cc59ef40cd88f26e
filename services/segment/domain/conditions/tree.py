"""Conditions joined: all of, any of, not."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, Turns, earliest
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query

MAX_PARTS: Final = 50


class _Joined(Condition, frozen=True, kw_only=True):
    of: tuple[Condition, ...]

    def parts(self) -> Sequence[Condition]:
        """Returns what is joined."""
        return self.of

    def clock(self) -> Clock | None:
        """Returns the earliest change of any part."""
        return _first([clock for one in self.of if (clock := one.clock()) is not None])

    def touches(self) -> Iterable[str]:
        """Returns what any part depends on."""
        return {key for one in self.of for key in one.touches()}

    def events(self) -> Iterable[str]:
        """Returns the events that any part reads."""
        return {name for one in self.of for name in one.events()}

    def details(self) -> Iterable[str]:
        """Returns the events of which any part reads more than when they happened."""
        return {name for one in self.of for name in one.details()}

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that there are no parts, or too many."""
        if not 0 < len(self.of) <= MAX_PARTS:
            yield Problem("/of", f"must have 1 to {MAX_PARTS} conditions")


class AllOf(_Joined, frozen=True, kw_only=True, tag="all", tag_field="kind"):
    """Every part is true. False if one is false, unknown if one is unknown and none is false."""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return _unless(False, [one.compiled() for one in self.of])

    def sql(self, query: Query) -> str:
        """Returns the parts joined by AND."""
        return "(" + " AND ".join(one.sql(query) for one in self.of) + ")"


class AnyOf(_Joined, frozen=True, kw_only=True, tag="any", tag_field="kind"):
    """One part is true. True if one is true, unknown if one is unknown and none is true."""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return _unless(True, [one.compiled() for one in self.of])

    def sql(self, query: Query) -> str:
        """Returns the parts joined by OR."""
        return "(" + " OR ".join(one.sql(query) for one in self.of) + ")"


class Not(Condition, frozen=True, kw_only=True, tag="not", tag_field="kind"):
    """The part is false. Unknown stays unknown."""

    of: Condition

    def parts(self) -> Sequence[Condition]:
        """Returns the part."""
        return (self.of,)

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        check = self.of.compiled()

        def negated(customer: Customer, now: datetime) -> Truth:
            answer = check(customer, now)
            return None if answer is None else not answer

        return negated

    def clock(self) -> Clock | None:
        """Returns the part's next change."""
        return self.of.clock()

    def turns(self) -> Turns | None:
        """Returns the part's, negated."""
        turns = self.of.turns()
        if turns is None:
            return None

        def negated(customer: Customer, now: datetime) -> tuple[bool, datetime | None] | None:
            found = turns(customer, now)
            return None if found is None else (not found[0], found[1])

        return negated

    def sql(self, query: Query) -> str:
        """Returns the negated part."""
        return f"(NOT {self.of.sql(query)})"

    def touches(self) -> Iterable[str]:
        """Returns what the part depends on."""
        return self.of.touches()

    def events(self) -> Iterable[str]:
        """Returns the events that the part reads."""
        return self.of.events()

    def details(self) -> Iterable[str]:
        """Returns the events of which the part reads more than when they happened."""
        return self.of.details()


def _unless(decisive: bool, checks: Sequence[Check]) -> Check:
    """Returns what answers as the first decisive part, else unknown if one part is unknown, else the opposite."""

    def check(customer: Customer, now: datetime) -> Truth:
        answer: Truth = not decisive
        for one in checks:
            part = one(customer, now)
            if part is decisive:
                return decisive
            if part is None:
                answer = None
        return answer

    return check


def _first(clocks: Sequence[Clock]) -> Clock | None:
    if len(clocks) < 2:
        return clocks[0] if clocks else None
    return lambda customer, now: earliest(clock(customer, now) for clock in clocks)
