"""Claims: that a condition gives one of some answers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.customer import Customer, Truth

TRUE: Final = frozenset({True})
FALSE: Final = frozenset({False})


class Claim(NamedTuple):
    """That a leaf of a condition, which lies at a pointer, gives one of these answers."""

    leaf: Condition
    answers: frozenset[Truth]
    pointer: str

    @property
    def wants(self) -> bool:
        """Whether the leaf must not be false."""
        return False not in self.answers

    @property
    def refuses(self) -> bool:
        """Whether the leaf must not be true."""
        return True not in self.answers


class NotKnown(Exception):
    """There is too much to try: the claims may be possible."""


Possible = Callable[[Sequence[Claim]], bool]
"""Returns whether one subject can be as all of these claims, which are about it, say. Raises `NotKnown`."""


def tried(customers: Iterable[tuple[Customer, datetime]], claims: Sequence[Claim]) -> bool:
    """Returns whether one of these customers, at its moment, is as the claims say: the conditions themselves answer."""
    checks = [(one.leaf.compiled(), one.answers) for one in claims]
    return any(all(check(customer, now) in answers for check, answers in checks) for customer, now in customers)
