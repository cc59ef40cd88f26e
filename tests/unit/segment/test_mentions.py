"""The names that a condition asks about, at their places, and what is said of those that nobody has seen."""

from typing import Any, get_args

import pytest

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.document import read
from services.segment.domain.mentions import Kind, Mention, Seen, mentions, unseen

LIMITS = Limits()
WEEK = {"within": "P7D"}
TEA = [{"property": "items.category", "op": "eq", "value": "tea"}]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"kind": "did", "event": "seen", "window": {"after": "sold"}},
            ["event seen /event", "event sold /window/after"],
        ),
        (
            {"kind": "did", "event": "seen", "where": TEA, "window": WEEK},
            ["event seen /event", "property items /where/0/property"],
        ),
        (
            {"kind": "measure", "event": "seen", "by": "max", "of": "a.b", "op": "ge", "value": 1, "window": WEEK},
            ["event seen /event", "property a /of"],
        ),
        (
            {
                "kind": "absence",
                "first": {"event": "seen", "where": TEA},
                "without": {"event": "sold"},
                "within": "PT1H",
                "window": WEEK,
            },
            ["event seen /first/event", "property items /first/where/0/property", "event sold /without/event"],
        ),
        (
            {
                "kind": "all",
                "of": [{"kind": "tag", "name": "vip"}, {"kind": "not", "of": {"kind": "list", "id": "press"}}],
            },
            ["tag vip /of/0/name", "list press /of/1/of/id"],
        ),
        ({"kind": "tier", "among": ["gold", "silver"]}, ["tier gold /among/0", "tier silver /among/1"]),
        ({"kind": "stage", "among": ["new"]}, ["stage new /among/0"]),
        ({"kind": "trait", "name": "city", "op": "exists"}, ["trait city /name"]),
        ({"kind": "identity", "namespace": "email", "op": "exists"}, ["identity email /namespace"]),
        ({"kind": "anniversary", "of": "birthday", "last": 7}, ["date birthday /of"]),
        (
            {"kind": "occurrence", "which": "last", "event": "seen", "op": "within", "value": "P1D"},
            ["event seen /event"],
        ),
    ],
)
def test_names_are_found_where_they_are(document: Any, expected: list[str]) -> None:
    found = mentions(read(document, LIMITS))

    assert [f"{one.kind} {one.name} {one.pointer}" for one in found] == expected


def test_an_unseen_name_is_told_with_the_one_most_like_it_that_was_seen() -> None:
    asked = [
        Mention("event", "product_veiwed", "/event"),
        Mention("event", "order_placd", "/of/0/event"),
        Mention("property", "categry", "/where/0/property", "seen"),
        Mention("trait", "city", "/name"),
    ]
    seen = Seen(
        names={"event": ["product_viewed"], "trait": ["city"]},
        properties={"seen": ["category"]},
        hints={"event": ["order_placed"]},
    )

    assert [(one.pointer, one.detail.rpartition("; ")[2]) for one in unseen(asked, seen)] == [
        ("/event", "did you mean product_viewed?"),
        ("/of/0/event", "did you mean order_placed?"),
        ("/where/0/property", "did you mean category?"),
    ]


def test_where_nobody_knows_what_was_seen_nothing_is_said() -> None:
    assert unseen([Mention(kind, "x", "") for kind in get_args(Kind)], Seen()) == []
