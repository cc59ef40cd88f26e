"""What an operator's expressions may cost on a stranger's payload is bounded, and what is sensible is far below it."""

import json
from typing import Any

import pytest

from services.ingest.domain.definitions import mapping
from services.ingest.domain.definitions.budget import Budget
from services.ingest.domain.definitions.expression import finder
from services.ingest.domain.definitions.mapping import Mapper
from services.ingest.domain.definitions.renaming import Renamed, Renaming
from services.ingest.domain.errors import BadEvent, Reason

LINES: dict[str, Any] = {"lines": [{"sku": f"s-{n}", "price": n, "tags": ["a", "b"]} for n in range(2_500)]}


def found(expression: str, payload: Any) -> Any:
    return finder("at", expression)(payload, Budget())


def refusal(expression: str, payload: Any) -> tuple[Reason, str]:
    with pytest.raises(BadEvent) as refused:
        found(expression, payload)
    return refused.value.reason, refused.value.text


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("lines[*].sku", "s-0"),
        ("lines[?price > `5`].{sku: sku, tags: join('/', tags)}", {"sku": "s-6", "tags": "a/b"}),
        ("sort_by(lines, &price)[*].[sku, price]", ["s-0", 0]),
        ("lines[].tags[]", "a"),
    ],
)
def test_a_large_order_is_read(expression: str, first: Any) -> None:
    assert found(expression, LINES)[0] == first


@pytest.mark.parametrize("length", [18, 21, 60, 83])
def test_what_doubles_with_each_step_ends(length: int) -> None:
    shared = refusal("|".join(["[@,@]"] * 83)[: 6 * length - 1], {"a": "x" * 1_000})
    assert shared == (Reason.TOO_LARGE, "mapping: makes more than 8000000 characters; select less of the payload")
    copied = refusal("|".join(["[@,@][]"] * min(length, 60)), LINES["lines"])
    assert copied[0] in (Reason.TOO_LARGE, Reason.MAPPING)


def test_a_separator_is_not_repeated_beyond_the_budget() -> None:
    assert refusal("join(a, b)", {"a": "x" * 500_000, "b": ["y"] * 100_000})[0] is Reason.MAPPING


def test_comparing_much_again_and_again_ends() -> None:
    payload = {"all": LINES["lines"], "again": list(range(100_000))}
    assert refusal("again[?all == all] | [0]", payload)[0] is Reason.MAPPING


def test_a_mapping_that_takes_the_whole_payload_for_each_line_ends() -> None:
    rules = {"rules": [{"event": "e", "each": "lines[*].[@]", "fields": {f"properties.p{n}": "@" for n in range(200)}}]}
    mapper = Mapper(mapping.parse(json.dumps(rules).encode()))
    with pytest.raises(BadEvent, match="mapping: makes more than"):
        mapper.apply({"lines": [["x" * 1_000]] * 2_000})


def test_a_renaming_has_a_budget_for_each_event() -> None:
    expression = "a[*].[@, @, @, @][] | [*].[@, @, @, @][] | [*].[@, @, @, @][]"
    words = Renaming({"e": Renamed(event="E", properties={"b": expression})})
    with pytest.raises(BadEvent, match="too many steps"):
        words.apply("e", json.dumps({"a": list(range(2_000))}).encode())
    assert words.apply("e", b'{"a": []}') == ("E", b'{"a":[],"b":[]}')
