"""A definition made ready: asked of a customer, and for the moment at which its answer turns by time alone."""

from datetime import datetime
from typing import Final

import msgspec

from services.segment.domain.conditions.base import Check, Clock, Condition
from services.segment.domain.conditions.customer import Customer

MAX_LOOKS: Final = 32  # a look too early finds nothing, and looks again


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled condition. `touches` are the facts that it depends on, `events` the histories that it reads."""

    check: Check
    clock: Clock | None
    touches: frozenset[str]
    events: frozenset[str]

    def holds(self, customer: Customer, now: datetime) -> bool:
        """Returns whether the customer meets it: what is unknown does not."""
        return self.check(customer, now) is True

    def next_flip(self, customer: Customer, now: datetime) -> datetime | None:
        """Returns the first moment after `now` at which `holds` answers otherwise, by time alone; None if never.

        Of a condition with very many changes that cancel out it is a moment before that one, to look again.
        """
        if self.clock is None:
            return None
        verdict, at = self.holds(customer, now), self.clock(customer, now)
        for _ in range(MAX_LOOKS):
            if at is None or self.holds(customer, at) is not verdict:
                return at
            at = self.clock(customer, at)
        return at


def compiled(condition: Condition) -> Program:
    """Returns a condition made ready."""
    return Program(
        check=condition.compiled(),
        clock=condition.clock(),
        touches=frozenset(condition.touches()),
        events=frozenset(condition.events()),
    )
