"""Why a condition is true of a customer, clause by clause, and when each turns by itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.segment.domain.conditions.base import Condition, tag_of
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.document import written
from services.segment.domain.conditions.program import compiled


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One clause: what it asks, what is true (None: unknown), when time alone turns that, and its parts.

    `decides` says that the whole would be another if this clause were.
    """

    kind: str
    condition: Any
    answer: Truth
    turns_at: datetime | None
    decides: bool
    touched_by: Sequence[str]
    parts: Sequence["Clause"] = ()


def explain(condition: Condition, customer: Customer, now: datetime, *, decides: bool = True) -> Clause:
    """Returns the clauses of a condition for one customer at a moment."""
    program = compiled(condition)
    answer = program.check(customer, now)
    kind = tag_of(condition)
    parts = [
        explain(part, customer, now, decides=decides and _decides(kind, answer, compiled(part).check(customer, now)))
        for part in condition.parts()
    ]
    return Clause(
        kind=kind,
        condition=None if parts else written(condition),
        answer=answer,
        turns_at=_turns(program.clock and program.clock(customer, now), condition, customer, answer),
        decides=decides,
        touched_by=sorted(program.touches),
        parts=parts,
    )


def _decides(kind: str, whole: Truth, part: Truth) -> bool:
    """Returns whether a part of a joined condition is one that made the whole what it is."""
    if kind == "not":
        return True
    return part == whole


def _turns(at: datetime | None, condition: Condition, customer: Customer, answer: Truth) -> datetime | None:
    """Returns when the answer itself, unknown included, becomes another by time alone; as far as is looked ahead."""
    program = compiled(condition)
    for _ in range(32):
        if at is None or program.check(customer, at) is not answer or program.clock is None:
            return at
        at = program.clock(customer, at)
    return at
