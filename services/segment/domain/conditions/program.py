"""A definition made ready: asked of a customer, and for the moment at which its answer turns by time alone."""

from datetime import datetime
from typing import Final

import msgspec

from services.segment.domain.conditions.base import Check, Clock, Condition, Turns
from services.segment.domain.conditions.customer import Customer

MAX_LOOKS: Final = 32  # a look too early finds nothing, and looks again


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled condition. `touches` are the facts that it depends on, `events` the histories that it reads.

    Of those in `details` it reads more than when the events happened.

    `parts` are the parts of what is known of a customer that it reads beside: `profile`, `standing`, `occurrences`,
    `belongings`, `segments`.
    """

    check: Check
    clock: Clock | None
    turns: Turns | None
    touches: frozenset[str]
    events: frozenset[str]
    details: frozenset[str]
    parts: frozenset[str]

    def holds(self, customer: Customer, now: datetime) -> bool:
        """Returns whether the customer meets it: what is unknown does not."""
        return self.check(customer, now) is True

    def look(self, customer: Customer, now: datetime) -> tuple[bool, datetime | None]:
        """Returns what `holds` and `next_flip` do."""
        if self.turns is not None and (found := self.turns(customer, now)) is not None:
            return found
        member = self.check(customer, now) is True
        return member, None if self.clock is None else self.next_flip(customer, now, member)

    def next_flip(self, customer: Customer, now: datetime, verdict: bool | None = None) -> datetime | None:
        """Returns the first moment after `now` at which `holds` answers otherwise, by time alone; None if never.

        `verdict` is what `holds` answers now, where that is known.
        Of a condition with very many changes that cancel out it is a moment before that one, to look again.
        """
        if self.clock is None or (at := self.clock(customer, now)) is None:
            return None
        if verdict is None:
            verdict = self.holds(customer, now)
        for _ in range(MAX_LOOKS):
            if at is None or self.holds(customer, at) is not verdict:
                return at
            at = self.clock(customer, at)
        return at


def compiled(condition: Condition) -> Program:
    """Returns a condition made ready."""
    touches, events = frozenset(condition.touches()), frozenset(condition.events())
    return Program(
        check=condition.compiled(),
        clock=condition.clock(),
        turns=condition.turns(),
        touches=touches,
        events=events,
        details=frozenset(condition.details()),
        parts=frozenset(_part(key, events) for key in touches) - {""},
    )


_PARTS: Final = {
    "tier": "standing",
    "stage": "standing",
    "score": "standing",
    "tag": "belongings",
    "list": "belongings",
    "segment": "segments",
}


def _part(key: str, events: frozenset[str]) -> str:
    """Returns the part of what is known of a customer that a fact is in; nothing for a history."""
    kind, _, name = key.partition(":")
    if kind == "event":
        return "" if name in events else "occurrences"
    return _PARTS.get(kind, "profile")
