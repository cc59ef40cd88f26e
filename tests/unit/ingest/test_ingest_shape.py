"""Shapes of what was seen: gathered in any order, and the schema that fits them all."""

import json
from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.definitions.plan import Plan, PlanDocument, Planned
from services.ingest.domain.definitions.shape import NOTHING, Shape, merge, schema, shape_of
from tests.unit.ingest.test_ingest_normalise import JSON

PROPERTIES = st.dictionaries(st.text(max_size=6), JSON, max_size=5)


def seen(*samples: Any) -> Shape:
    return reduce(merge, map(shape_of, samples), NOTHING)


@given(one=PROPERTIES, other=PROPERTIES, third=PROPERTIES)
def test_samples_add_up_alike_in_any_order(one: Any, other: Any, third: Any) -> None:
    a, b, c = map(shape_of, (one, other, third))
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, NOTHING) == a


@given(samples=st.lists(PROPERTIES, min_size=1, max_size=6))
def test_everything_that_was_seen_fits_the_schema_that_is_proposed(samples: list[Any]) -> None:
    plan = Plan(PlanDocument(events={"Seen": Planned(properties=schema(seen(*samples)))}))
    for sample in samples:
        found = plan.judge("Seen", json.dumps(sample).encode())
        assert found is None, found


def test_a_proposal_says_what_is_always_there_and_what_is_one_of_few() -> None:
    samples: list[dict[str, Any]] = [{"size": "m" if n % 2 else "l", "n": n, "note": f"note {n}"} for n in range(40)]
    samples.append({"size": "m", "n": 1.5, "lines": [{"sku": "a"}, {"sku": "b", "n": None}]})
    assert schema(seen(*samples)) == {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"n": {"type": "null"}, "sku": {"type": "string"}},
                    "required": ["sku"],
                },
            },
            "n": {"type": "number"},
            "note": {"type": "string"},
            "size": {"type": "string", "enum": ["l", "m"]},
        },
        "required": ["n", "size"],
    }
