"""Why a condition is true of a customer, clause by clause, and when each turns by itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.segment.domain.conditions.base import Condition, tag_of
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.document import written
from services.segment.domain.conditions.program import MAX_LOOKS, Program, compiled
from services.segment.domain.conditions.tree import AllOf, AnyOf
from services.segment.domain.conditions.words.forms import LANGUAGES
from services.segment.domain.conditions.words.language import describe
from shared.calendars.durations import Language


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One clause: what it asks, what is true (None: unknown), when time alone turns that, and its parts.

    `condition` is that of a clause without parts. `words`, by language, are of each clause that joins no others.
    `decides`: the whole is what it is by this clause. A whole that is true or false stays so while the clauses without
    parts that decide stay as they are, whatever the others become; and if all of them become another, so does it.
    `turns_at` is None, or the first moment at which the answer is another; of a clause that very many moments might
    turn it is the last of those that were tried, to look again.
    """

    kind: str
    condition: Any
    words: Mapping[Language, str] | None
    answer: Truth
    turns_at: datetime | None
    decides: bool
    touched_by: Sequence[str]
    parts: Sequence["Clause"] = ()


def explain(condition: Condition, customer: Customer, now: datetime) -> Clause:
    """Returns the clauses of a condition for one customer at a moment."""
    return _explained(condition, compiled(condition), customer, now, decides=True)


def _explained(condition: Condition, program: Program, customer: Customer, now: datetime, *, decides: bool) -> Clause:
    answer = program.check(customer, now)
    kind = tag_of(condition)
    parts = []
    for part in condition.parts():
        made = compiled(part)
        deciding = decides and _decides(kind, answer, made.check(customer, now))
        parts.append(_explained(part, made, customer, now, decides=deciding))
    return Clause(
        kind=kind,
        condition=None if parts else written(condition),
        words=None if isinstance(condition, AllOf | AnyOf) else _words(condition),
        answer=answer,
        turns_at=_turns(program, customer, now, answer),
        decides=decides,
        touched_by=sorted(program.touches),
        parts=parts,
    )


def _words(condition: Condition) -> Mapping[Language, str]:
    return {language: describe(condition, language) for language in LANGUAGES}


def _decides(kind: str, whole: Truth, part: Truth) -> bool:
    """Returns whether a part of a joined condition is one that made the whole what it is."""
    if kind == "not":
        return True
    return part == whole


def _turns(program: Program, customer: Customer, now: datetime, answer: Truth) -> datetime | None:
    """Returns when the answer itself, unknown included, becomes another by time alone; as far as is looked ahead."""
    if program.clock is None:
        return None
    at = program.clock(customer, now)
    for _ in range(MAX_LOOKS):
        if at is None or program.check(customer, at) is not answer:
            return at
        at = program.clock(customer, at)
    return at
