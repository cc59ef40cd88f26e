"""The laws of conditions: documents are read back, and what changes by time alone is foretold."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.customer import Customer, Happening, Truth
from services.segment.domain.conditions.document import InvalidCondition, read, written
from services.segment.domain.conditions.program import compiled
from shared.calendars.durations import parse
from shared.calendars.zones import local_date, start_of_local_day
from tests.support.conditions import SPANS, bare, customers, dated_documents, documents, undated_documents
from tests.support.events import NOON
from tests.support.examples import at_least

LIMITS = Limits()
SECOND = timedelta(seconds=1)


@settings(max_examples=2_000)
@given(documents)
def test_a_condition_is_read_back_from_what_is_written_of_it(document: dict[str, Any]) -> None:
    condition = read(document, LIMITS)

    assert read(written(condition), LIMITS) == condition
    assert hash(read(written(condition), LIMITS)) == hash(condition)


def instants(customer: Customer) -> list[datetime]:
    """Every second at which, or just before or after which, anything could turn for this customer."""
    moments = {NOON, customer.first_seen, customer.last_seen, customer.first_order_at, customer.last_order_at}
    moments |= {one.at for of in customer.history.values() for one in of}
    moments |= {*customer.tags.values(), *customer.lists.values()}
    spans = [timedelta(0), *map(parse, SPANS)]
    found = {at + span + step for at in moments if at for span in spans for step in (-SECOND, timedelta(0), SECOND)}
    return sorted(at for at in found if at > NOON)


@settings(max_examples=2_000)
@given(st.one_of(undated_documents, undated_documents, bare), customers())
def test_the_next_change_by_time_alone_is_the_one_that_a_scan_by_the_second_finds(
    document: dict[str, Any], customer: Customer
) -> None:
    program = compiled(read(document, LIMITS))
    verdict = program.holds(customer, NOON)
    scanned = next((at for at in instants(customer) if program.holds(customer, at) is not verdict), None)

    assert program.next_flip(customer, NOON) == scanned
    assert program.look(customer, NOON) == (verdict, scanned)


@given(documents, customers())
@settings(max_examples=at_least(100))
def test_a_condition_asks_for_all_that_its_answer_depends_on(document: dict[str, Any], customer: Customer) -> None:
    program = compiled(read(document, LIMITS))
    asked = structs.replace(
        customer,
        history={
            name: of if name in program.details else [Happening(one.at) for one in of]
            for name, of in customer.history.items()
            if name in program.events
        },
    )

    assert program.details <= program.events
    assert program.look(asked, NOON) == program.look(customer, NOON)


def midnights(customer: Customer) -> Iterator[datetime]:
    """The beginnings of the customer's days, for a season."""
    today = local_date(NOON, customer.zone)
    return (start_of_local_day(today + timedelta(days=n), customer.zone) for n in range(1, 100))


@settings(max_examples=150)
@given(dated_documents, customers())
def test_what_day_it_is_turns_a_condition_at_a_local_midnight(document: dict[str, Any], customer: Customer) -> None:
    program = compiled(read(document, LIMITS))
    verdict = program.holds(customer, NOON)
    scanned = next((at for at in midnights(customer) if program.holds(customer, at) is not verdict), None)
    foretold = program.next_flip(customer, NOON)

    if scanned is None:
        assert foretold is None or foretold > NOON
    else:  # it may say to look again before that, of a condition that turns and turns back
        assert foretold is not None
        assert foretold <= scanned
        assert foretold == scanned or program.holds(customer, foretold) is verdict


@settings(max_examples=at_least(150))
@given(documents, customers())
def test_not_and_the_answers_it_negates_are_of_three_kinds(document: dict[str, Any], customer: Customer) -> None:
    answer = compiled(read(document, LIMITS)).check(customer, NOON)
    negated = compiled(read({"kind": "not", "of": document}, LIMITS)).check(customer, NOON)

    assert answer in (True, False, None)
    assert negated is (None if answer is None else not answer)


@pytest.mark.parametrize(
    ("kind", "answers", "expected"),
    [
        ("all", [True, None], None),
        ("all", [False, None], False),
        ("any", [True, None], True),
        ("any", [False, None], None),
    ],
)
def test_joined_answers_are_kleenes(kind: str, answers: list[Truth], expected: Truth) -> None:
    customer = Customer(profile_id=UUID(int=1), traits={"yes": "a", "no": "b"})
    parts = {
        True: {"kind": "trait", "name": "yes", "op": "eq", "value": "a"},
        False: {"kind": "trait", "name": "no", "op": "eq", "value": "a"},
        None: {"kind": "trait", "name": "none", "op": "eq", "value": "a"},
    }
    program = compiled(read({"kind": kind, "of": [parts[one] for one in answers]}, LIMITS))

    assert program.check(customer, NOON) is expected


@pytest.mark.parametrize(
    ("document", "pointer", "part"),
    [
        ({"kind": "trat"}, "/kind", "did you mean trait?"),
        ({"kind": "trait", "name": "a", "op": "eq"}, "/value", "must be a text, a number"),
        ({"kind": "trait", "name": "a", "op": "gtt", "value": 1}, "/op", "did you mean gt?"),
        ({"kind": "trait", "name": "a", "op": "eq", "valu": 1}, "/valu", "did you mean value?"),
        ({"kind": "all", "of": []}, "/of", "1 to 50"),
        ({"kind": "not", "of": {"kind": "did"}}, "/of/event", "is missing"),
        ({"kind": "any", "of": [{"kind": "did", "event": "a", "times": -1}]}, "/of/0/times", "from 0 to 1000"),
        (
            {"kind": "did", "event": "a", "window": {"within": "P1M"}},
            "/window/within",
            "30",
        ),
        ({"kind": "did", "event": "a", "window": {"within": "P900D"}}, "/window/within", "P730D"),
        (
            {"kind": "did", "event": "a", "where": [{"property": "b", "op": "eq", "value": 1}]},
            "/window",
            "must be given",
        ),
        (
            {
                "kind": "did",
                "event": "a",
                "where": [{"property": "b", "op": "lt", "value": "x"}],
                "window": {"within": "P1D"},
            },
            "/where/0/value",
            "must be a number",
        ),
        (
            {
                "kind": "measure",
                "event": "order_placed",
                "by": "sum",
                "of": "total_minor",
                "op": "ge",
                "value": 1,
            },
            "/where",
            "several currencies",
        ),
        ("no object", "", "must be a condition"),
    ],
)
def test_what_is_wrong_is_named_at_its_place(document: Any, pointer: str, part: str) -> None:
    with pytest.raises(InvalidCondition) as refused:
        read(document, LIMITS)

    assert [one.pointer for one in refused.value.problems] == [pointer]
    assert part in refused.value.problems[0].detail
