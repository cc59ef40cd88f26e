"""Conditions that nobody or everybody meets: what is called impossible is, and what people get wrong is found."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.customer import Customer
from services.segment.domain.conditions.document import read
from services.segment.domain.conditions.satisfiability import contradictions, remarks
from tests.support.conditions import customers, documents, leaves
from tests.support.events import NOON
from tests.support.examples import at_least

LIMITS = Limits()


def condition(document: Any) -> Condition:
    return read(document, LIMITS)


def every(*of: Any) -> dict[str, Any]:
    return {"kind": "all", "of": list(of)}


def some(*of: Any) -> dict[str, Any]:
    return {"kind": "any", "of": list(of)}


def negated(of: Any) -> dict[str, Any]:
    return {"kind": "not", "of": of}


def trait(op: str, value: Any = None, name: str = "x") -> dict[str, Any]:
    found = {"kind": "trait", "name": name, "op": op}
    return found if value is None else {**found, "value": value}


def did(op: str, times: int, window: Any = None, event: str = "seen", where: Any = ()) -> dict[str, Any]:
    found = {"kind": "did", "event": event, "op": op, "times": times, "where": list(where)}
    return {**found, "window": window} if window else found


def moment(op: str, value: str, of: str = "last_seen") -> dict[str, Any]:
    return {"kind": "moment", "of": of, "op": op, "value": value}


def orders(op: str, value: float) -> dict[str, Any]:
    return {"kind": "figure", "name": "orders", "op": op, "value": value}


A, B, VIP = trait("eq", "a"), trait("eq", "b"), {"kind": "tag", "name": "vip"}
WEEK, MONTH, DAY = {"within": "P7D"}, {"within": "P30D"}, {"since": "2026-01-01", "until": "2026-01-01"}
TEA = [{"property": "category", "op": "eq", "value": "tea"}]
CART = {"first": {"event": "seen"}, "within": "PT1H", "window": WEEK}
HALF = {"kind": "bucket", "salt": "s", "of": 10, "first": 0, "end": 5}
OTHER_HALF = {**HALF, "first": 5, "end": 10}


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        (every(A, B), ["/of/0", "/of/1"]),
        (every(VIP, A, trait("in", ["b", 1])), ["/of/1", "/of/2"]),
        (every(trait("gt", 5), trait("lt", 5)), ["/of/0", "/of/1"]),
        (every(trait("gt", 0.1), trait("lt", 0.1)), ["/of/0", "/of/1"]),
        (every(trait("missing"), A), ["/of/0", "/of/1"]),
        (every(trait("starts_with", "te"), trait("starts_with", "co")), ["/of/0", "/of/1"]),
        (every(trait("starts_with", "tea"), negated(trait("contains", "ea"))), ["/of/0", "/of/1/of"]),
        (every(trait("all_of", ["a", "b"]), negated(trait("any_of", ["b"]))), ["/of/0", "/of/1/of"]),
        (every(trait("contains", "a"), trait("gt", 1)), ["/of/0", "/of/1"]),
        (every(VIP, negated(VIP)), ["/of/0", "/of/1/of"]),
        (every(some(A, VIP), negated(some(A, VIP))), ["/of/0/of/0", "/of/0/of/1", "/of/1/of/of/0", "/of/1/of/of/1"]),
        (every(A, negated(A)), ["/of/0", "/of/1/of"]),
        (every(some(A, negated(A)), trait("missing")), ["/of/0/of/0", "/of/0/of/1/of", "/of/1"]),
        (every(did("ge", 3, WEEK), did("eq", 0, MONTH)), ["/of/0", "/of/1"]),
        (every(did("ge", 3, WEEK, where=TEA), did("lt", 3, WEEK)), ["/of/0", "/of/1"]),
        (every(did("ge", 1, WEEK), negated(did("ge", 1))), ["/of/0", "/of/1/of"]),
        (every(did("ge", 2), did("le", 3), did("ne", 2), did("ne", 3)), ["/of/0", "/of/1", "/of/2", "/of/3"]),
        (did("ge", 1, DAY), [""]),
        (did("lt", 0, WEEK), [""]),
        (every({"kind": "absence", **CART, "without": {"event": "b"}}, did("eq", 0, MONTH)), ["/of/0", "/of/1"]),
        (every({"kind": "sequence", **CART, "then": {"event": "b"}}, did("eq", 0, WEEK)), ["/of/0", "/of/1"]),
        (every({"kind": "tier", "among": ["gold"]}, {"kind": "tier", "among": ["silver"]}), ["/of/0", "/of/1"]),
        (every({"kind": "consent", "channel": "sms"}, negated({"kind": "consent", "channel": "sms"})), None),
        (every({"kind": "stage", "among": ["new"]}, negated({"kind": "stage", "among": ["new", "loyal"]})), None),
        (every(HALF, OTHER_HALF), ["/of/0", "/of/1"]),
        (every(moment("within", "P7D"), moment("longer_ago", "P30D")), ["/of/0", "/of/1"]),
        (every(moment("before", "2026-01-01"), moment("from", "2026-01-02")), ["/of/0", "/of/1"]),
        (every({"kind": "age", "of": "birthday", "op": "lt", "years": 0}), ["/of/0"]),
        (every(orders("lt", 1), orders("gt", 0.5)), ["/of/0", "/of/1"]),
        (every({"kind": "score", "of": "recency", "op": "gt", "value": 5}), ["/of/0"]),
        (
            every(
                {"kind": "identity", "namespace": "email", "op": "starts_with", "value": "ann@"},
                negated({"kind": "identity", "namespace": "email", "op": "exists"}),
            ),
            ["/of/0", "/of/1/of"],
        ),
        (some(every(A, B), did("lt", 0)), ["/of/0/of/0", "/of/0/of/1", "/of/1"]),
    ],
)
def test_what_nobody_can_meet_is_found_at_the_parts_that_clash(document: Any, pointers: list[str] | None) -> None:
    found = contradictions(condition(document))

    assert found
    assert pointers is None or [one.pointer for one in found] == pointers


@pytest.mark.parametrize(
    "document",
    [
        every(trait("any_of", ["a"]), trait("any_of", ["b"])),
        every(trait("ne", "a"), trait("ne", "b")),
        every(trait("gt", 0.1), trait("lt", 0.2)),
        every(trait("starts_with", "te"), trait("ends_with", "ea"), negated(trait("contains", "ee"))),
        every(did("ge", 3, MONTH), did("eq", 0, WEEK)),
        every(did("ge", 3, WEEK), did("eq", 0, MONTH, where=TEA)),
        every(did("ge", 1, {"since": "2026-01-01"}), did("eq", 0, WEEK)),
        every(negated(did("ge", 1, {"after": "b"})), did("ge", 1, WEEK)),
        every(
            {"kind": "age", "of": "child", "op": "lt", "years": 6},
            {"kind": "age", "of": "child", "op": "ge", "years": 6},
        ),
        every(moment("within", "P7D"), moment("longer_ago", "P1D"), moment("before", "2020-01-01")),
        every(moment("within", "P7D", "first_seen"), moment("longer_ago", "P30D")),
        every(HALF, {**OTHER_HALF, "salt": "t"}),
        {"kind": "figure", "name": "spend", "currency": "USD", "op": "lt", "value": 0},
        every({"kind": "score", "of": "recency", "op": "ge", "value": 5}, orders("gt", 0.5), orders("lt", 1.5)),
    ],
)
def test_what_somebody_can_meet_is_let_pass(document: Any) -> None:
    assert contradictions(condition(document)) == []
    assert remarks(condition(document)) == []


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        (some(VIP, negated(VIP)), [""]),
        (some(A, negated(A)), []),  # x may be missing
        (some(trait("exists"), trait("missing")), [""]),
        (some(A, negated(A), trait("missing")), []),  # x may be a number
        (some(A, negated(A), trait("missing"), negated(every(trait("exists"), VIP)), VIP), [""]),
        (did("ge", 0), [""]),
        (some(did("ge", 1, WEEK), did("eq", 0, WEEK)), [""]),
        (some(did("ge", 1, {"after": "b"}), did("eq", 0, {"after": "b"})), []),
        (every(VIP, did("ge", 0, WEEK)), ["/of/1"]),
        (some(VIP, every(A, B)), ["/of/1"]),
    ],
)
def test_what_everybody_meets_and_parts_that_change_nothing_are_remarked(document: Any, pointers: list[str]) -> None:
    assert [one.pointer for one in remarks(condition(document))] == pointers


def test_a_condition_with_a_large_normal_form_is_looked_at_as_far_as_that_goes() -> None:
    large = [some(*(trait("eq", f"{n}", name=f"{m}{n}") for n in range(10))) for m in range(15)]

    assert contradictions(condition(every(*large))) == []
    assert [one.pointer for one in contradictions(condition(every(*large, A, B)))] == ["/of/15", "/of/16"]


@settings(max_examples=at_least(250))
@given(st.lists(documents, min_size=1, max_size=3), customers())
def test_nobody_meets_what_is_called_impossible_and_everybody_what_is_called_always_true(
    parts: list[dict[str, Any]], customer: Customer
) -> None:
    for document in (*parts, every(*parts), some(*parts)):
        asked = condition(document)
        answer = asked.compiled()(customer, NOON)
        if answer is True:
            assert contradictions(asked) == []
        else:
            assert "" not in [one.pointer for one in remarks(asked)]


@settings(max_examples=at_least(250))
@given(st.lists(leaves, min_size=1, max_size=12), customers())
def test_what_a_customer_is_and_is_not_is_never_a_contradiction(
    parts: list[dict[str, Any]], customer: Customer
) -> None:
    answers = [(one, condition(one).compiled()(customer, NOON)) for one in parts]
    met = [one if answer else negated(one) for one, answer in answers if answer is not None]
    unmet = [negated(one) if answer else one for one, answer in answers]

    assert not met or contradictions(condition(every(*met))) == []
    assert "" not in [one.pointer for one in remarks(condition(some(*unmet)))]
