"""The laws of explanations: they answer as the condition does, foretell when clauses turn, and name what decides."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.document import read, written
from services.segment.domain.conditions.program import compiled
from services.segment.domain.conditions.words.language import parse
from services.segment.domain.explaining import Clause, explain
from tests.support.conditions import bare, customers, documents, undated_documents
from tests.support.events import NOON
from tests.support.examples import at_least
from tests.unit.segment.test_conditions import instants

LIMITS = Limits()
ANSWERS: tuple[Truth, ...] = (True, False, None)
_VALUES = {True: {"value": "yes"}, False: {"value": "no"}, None: {}}


def clauses(clause: Clause, condition: Condition) -> Iterator[tuple[Clause, Condition]]:
    """Every clause with the condition that it explains, the whole first."""
    yield clause, condition
    for part, asked in zip(clause.parts, condition.parts(), strict=True):
        yield from clauses(part, asked)


def kleene(kind: str, parts: Sequence[Truth]) -> Truth:
    """What a joined condition answers, reckoned with numbers: false is 0, unknown 1, true 2."""
    numbers = [{False: 0, None: 1, True: 2}[one] for one in parts]
    number = min(numbers) if kind == "all" else max(numbers) if kind == "any" else 2 - numbers[0]
    return (False, None, True)[number]


@settings(max_examples=2_000)
@given(st.one_of(documents, bare), customers())
def test_each_clause_answers_as_its_condition_and_joined_ones_follow_from_their_parts(
    document: dict[str, Any], customer: Customer
) -> None:
    condition = read(document, LIMITS)

    for clause, asked in clauses(explain(condition, customer, NOON), condition):
        program = compiled(asked)
        assert clause.answer is program.check(customer, NOON)
        assert set(clause.touched_by) == program.touches
        if clause.parts:
            assert clause.condition is None
            assert clause.answer is kleene(clause.kind, [one.answer for one in clause.parts])
        else:
            assert clause.condition == written(asked)


@settings(max_examples=100)
@given(documents, customers())
def test_each_clause_that_joins_no_others_has_its_words(document: dict[str, Any], customer: Customer) -> None:
    condition = read(document, LIMITS)

    for clause, asked in clauses(explain(condition, customer, NOON), condition):
        assert (clause.words is None) is (clause.kind in ("all", "any"))
        for language, words in (clause.words or {}).items():
            assert written(parse(words, language, LIMITS)) == written(asked)


@settings(max_examples=at_least(200))
@given(st.one_of(undated_documents, bare), customers())
def test_a_clause_turns_at_the_first_moment_at_which_its_answer_is_another(
    document: dict[str, Any], customer: Customer
) -> None:
    condition = read(document, LIMITS)
    scanned = instants(customer)

    for clause, asked in clauses(explain(condition, customer, NOON), condition):
        check = compiled(asked).check
        assert clause.turns_at == _first(scanned, lambda at: check(customer, at) is not clause.answer)  # noqa: B023


def _first(moments: Sequence[datetime], turned: Any) -> datetime | None:
    return next((at for at in moments if turned(at)), None)


@settings(max_examples=at_least(100))
@given(documents, customers())
def test_no_clause_is_said_to_turn_now_or_before(document: dict[str, Any], customer: Customer) -> None:
    condition = read(document, LIMITS)

    for clause, _ in clauses(explain(condition, customer, NOON), condition):
        assert clause.turns_at is None or clause.turns_at > NOON


DEEP: Final = 11  # conditions may lie 12 deep


def _tree(r: Random, size: int, names: Iterator[str], deep: int = 0) -> dict[str, Any]:
    """Any nesting of clauses that each ask for a trait of their own, so that each may answer anything."""
    if deep + size < DEEP and r.random() < 0.2:
        return {"kind": "not", "of": _tree(r, size, names, deep + 1)}
    if size == 1:
        return {"kind": "trait", "name": next(names), "op": "eq", "value": "yes"}
    parts = []
    while size:
        taken = r.randint(1, max(1, size - 1))
        parts.append(_tree(r, taken, names, deep + 1))
        size -= taken
    return {"kind": r.choice(("all", "any")), "of": parts}


trees = st.builds(
    lambda size, seed: (_tree(Random(seed), size, map(str, range(100))), Random(seed + 1)),
    st.integers(1, 9),
    st.integers(0, 2**48),
)


def answering(answers: Sequence[Truth]) -> Customer:
    """The customer of whom the clauses' traits make these answers."""
    traits = {f"{n}": value["value"] for n, one in enumerate(answers) if (value := _VALUES[one])}
    return Customer(profile_id=UUID(int=1), traits=traits)


@settings(max_examples=2_000)
@given(trees)
def test_the_whole_stays_with_the_clauses_that_decide_and_becomes_another_when_all_of_them_do(
    made: tuple[dict[str, Any], Random],
) -> None:
    condition, r = read(made[0], LIMITS), made[1]
    check = condition.compiled()
    size = len(set(condition.touches()))
    answers = [r.choice(ANSWERS) for _ in range(size)]
    found = [one for one, _ in clauses(explain(condition, answering(answers), NOON), condition) if not one.parts]
    decides = [one.decides for one in found]
    whole = check(answering(answers), NOON)

    kept = [one if decide else r.choice(ANSWERS) for one, decide in zip(answers, decides, strict=True)]
    others = [
        r.choice([other for other in ANSWERS if other is not one]) if decide else one
        for one, decide in zip(answers, decides, strict=True)
    ]

    assert any(decides)
    assert whole is None or check(answering(kept), NOON) is whole
    assert check(answering(others), NOON) is not whole


@pytest.mark.parametrize(("kind", "expected"), [("all", [False, True, False]), ("any", [True, False, True])])
def test_of_joined_clauses_those_decide_that_answer_as_the_whole_does(kind: str, expected: list[bool]) -> None:
    parts = [{"kind": "trait", "name": f"{n}", "op": "eq", "value": "yes"} for n in range(3)]
    condition = read({"kind": kind, "of": parts}, LIMITS)

    assert [one.decides for one in explain(condition, answering([True, False, True]), NOON).parts] == expected
