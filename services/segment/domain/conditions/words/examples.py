"""Examples of every kind, for the documentation; a test sees to it that none is missing, and no operator."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MONTH: Final = {"within": "P30D"}
_WEEK: Final = {"within": "P7D"}
_VIEWED: Final = {"event": "product_viewed"}
_TEA: Final = {"property": "category", "value": "tea"}
_GOLD: Final = {"kind": "tier", "among": ["gold"]}
_ORDERED: Final = {"kind": "did", "event": "order_placed"}

# By kind: documents without their `kind`.
EXAMPLES: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "all": ({"of": [_ORDERED, _GOLD]}, {"of": [_GOLD]}),
    "any": ({"of": [_ORDERED, {"kind": "all", "of": [_GOLD, {"kind": "tag", "name": "vip"}]}]}, {"of": [_GOLD]}),
    "not": ({"of": _ORDERED}, {"of": _GOLD}),
    "trait": (
        {"name": "city", "op": "eq", "value": "Berlin"},
        {"name": "city", "op": "ne", "value": "Berlin"},
        {"name": "children", "op": "lt", "value": 3},
        {"name": "children", "op": "le", "value": 2},
        {"name": "children", "op": "gt", "value": 0},
        {"name": "children", "op": "ge", "value": 1},
        {"name": "children", "op": "between", "value": [1, 3]},
        {"name": "city", "op": "in", "value": ["Berlin", "上海"]},
        {"name": "city", "op": "not_in", "value": ["Berlin", "上海"]},
        {"name": "company", "op": "contains", "value": "GmbH"},
        {"name": "postcode", "op": "starts_with", "value": "10"},
        {"name": "company", "op": "ends_with", "value": "Ltd"},
        {"name": "likes", "op": "any_of", "value": ["tea", "coffee"]},
        {"name": "likes", "op": "all_of", "value": ["tea", "coffee"]},
        {"name": "b2b", "op": "eq", "value": True},
        {"name": "city", "op": "exists"},
        {"name": "city", "op": "missing"},
    ),
    "figure": (
        {"name": "orders", "op": "ge", "value": 3},
        {"name": "orders", "op": "eq", "value": 1},
        {"name": "orders", "op": "ne", "value": 1},
        {"name": "spend", "op": "ge", "value": 10_000, "currency": "USD"},
        {"name": "spend", "op": "lt", "value": 10_000, "currency": "JPY"},
        {"name": "average_order", "op": "gt", "value": 4_950, "currency": "EUR"},
        {"name": "average_order", "op": "le", "value": 4_950, "currency": "CNY"},
    ),
    "moment": (
        {"of": "last_order_at", "op": "within", "value": "P30D"},
        {"of": "last_seen", "op": "longer_ago", "value": "P90D"},
        {"of": "first_seen", "op": "before", "value": "2026-01-01"},
        {"of": "first_order_at", "op": "from", "value": "2026-01-01"},
        {"of": "first_order_at", "op": "exists"},
        {"of": "first_order_at", "op": "missing"},
    ),
    "identity": (
        {"namespace": "email", "op": "exists"},
        {"namespace": "phone", "op": "missing"},
        {"namespace": "email", "op": "eq", "value": "ada@example.com"},
        {"namespace": "phone", "op": "starts_with", "value": "+49"},
        {"namespace": "email", "op": "ends_with", "value": "@example.com"},
    ),
    "consent": (
        {"channel": "email"},
        {"channel": "sms", "purpose": "service", "state": "withdrawn"},
        {"channel": "email", "state": "never"},
    ),
    "tier": ({"among": ["gold"]}, {"among": ["gold", "diamond"]}),
    "stage": ({"among": ["loyal"]}, {"among": ["at_risk", "silent"]}),
    "rfm_group": ({"among": ["champions"]}, {"among": ["at_risk", "cant_lose"]}),
    "abc": ({"among": ["A"]}, {"among": ["A", "B"]}),
    "key_customer": ({},),
    "score": (
        {"of": "recency", "op": "ge", "value": 4},
        {"of": "frequency", "op": "eq", "value": 5},
        {"of": "monetary", "op": "lt", "value": 3},
        {"of": "recency", "op": "ne", "value": 1},
        {"of": "recency", "op": "le", "value": 2},
        {"of": "recency", "op": "gt", "value": 2},
    ),
    "did": (
        {"event": "order_placed"},
        {"event": "order_placed", "op": "eq", "times": 0, "window": _MONTH},
        {"event": "product_viewed", "times": 3, "window": _WEEK},
        {"event": "page_viewed", "op": "gt", "times": 5, "window": {"within": "PT1H"}},
        {"event": "message_opened", "op": "le", "times": 1, "window": {"since": "2026-01-01", "until": "2026-02-01"}},
        {"event": "cart_updated", "op": "ne", "times": 1, "window": {"since": "2026-01-01"}},
        {"event": "checkout_started", "op": "lt", "times": 2, "window": {"until": "2026-01-01"}},
        {"event": "feedback_submitted", "window": {"after": "order_placed"}},
        {"event": "Quiz Finished", "times": 2, "window": _MONTH},
        {"event": "product_viewed", "where": [_TEA], "times": 2, "window": _MONTH},
        {
            "event": "order_placed",
            "where": [
                {
                    "property": "items",
                    "op": "any",
                    "where": [_TEA, {"property": "quantity", "op": "ge", "value": 3}],
                }
            ],
        },
    ),
    "measure": (
        {
            "event": "cart_updated",
            "by": "max",
            "of": "total_minor",
            "op": "ge",
            "value": 10_000,
            "where": [{"property": "currency", "value": "USD"}],
            "window": _MONTH,
        },
        {
            "event": "order_placed",
            "by": "sum",
            "of": "total_minor",
            "op": "ge",
            "value": 10_000,
            "where": [{"property": "currency", "value": "USD"}],
            "window": _MONTH,
        },
        {"event": "feedback_submitted", "by": "average", "of": "rating", "op": "lt", "value": 6.5, "window": _MONTH},
        {"event": "feedback_submitted", "by": "min", "of": "rating", "op": "le", "value": 6, "window": _MONTH},
        {"event": "Game Played", "by": "max", "of": "score", "op": "gt", "value": 1000, "window": _WEEK},
        {"event": "Game Played", "by": "max", "of": "score", "op": "ne", "value": 0, "window": _WEEK},
        {"event": "order_placed", "by": "distinct", "of": "items.category", "op": "eq", "value": 1},
    ),
    "occurrence": (
        {"which": "first", "event": "order_placed", "op": "within", "value": "P30D"},
        {"which": "last", "event": "product_viewed", "op": "longer_ago", "value": "P14D"},
        {"which": "first", "event": "page_viewed", "op": "before", "value": "2026-01-01"},
        {"which": "last", "event": "Quiz Finished", "op": "from", "value": "2026-01-01"},
    ),
    "sequence": (
        {"first": {**_VIEWED, "where": [_TEA]}, "then": {"event": "order_placed"}, "within": "P1D", "window": _WEEK},
    ),
    "absence": (
        {"first": {"event": "cart_updated"}, "without": {"event": "order_placed"}, "within": "PT1H", "window": _WEEK},
    ),
    "anniversary": (
        {"of": "birthday", "last": 0},
        {"of": "birthday", "last": 7},
        {"of": "birthday", "first": 3, "last": 7},
        {"of": "wedding", "last": 1},
    ),
    "age": (
        {"of": "birthday", "op": "ge", "years": 18},
        {"of": "birthday", "op": "lt", "years": 30},
        {"of": "wedding", "op": "eq", "years": 10},
        {"of": "birthday", "op": "ne", "years": 40},
        {"of": "birthday", "op": "le", "years": 65},
        {"of": "birthday", "op": "gt", "years": 65},
    ),
    "date": (
        {"of": "renewal", "op": "in_next", "days": 14},
        {"of": "renewal", "op": "in_last", "days": 1},
        {"of": "renewal", "op": "before", "day": "2026-01-01"},
        {"of": "renewal", "op": "from", "day": "2026-01-01"},
    ),
    "holiday": ({"calendar": "cn", "day": "holiday"}, {"calendar": "gb", "day": "working_day"}),
    "near": ({"latitude": 52.52, "longitude": 13.405, "km": 25}, {"latitude": -33, "longitude": 151, "km": 2.5}),
    "bucket": ({"salt": "autumn", "end": 10}, {"salt": "autumn", "first": 50, "end": 100}),
    "tag": ({"name": "vip"},),
    "list": ({"id": "press"},),
    "segment": ({"id": "loyal"},),
}
