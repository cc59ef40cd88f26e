"""The definitions that `make bench-segment` measures: ten kinds, in as many variants as are asked for.

Variants differ by their values: how often, within how many days, which cities. Of ten, four are on traits and figures,
three count in windows, one asks for what was not done, one for one event after another, one for one without another.
With every variant over one of eight events in turn, an event touches a tenth of all.
"""

from collections.abc import Iterator
from typing import Any, Final

EVENTS: Final = (
    "order_placed",
    "product_viewed",
    "page_viewed",
    "cart_item_added",
    "checkout_started",
    "products_searched",
    "wishlist_item_added",
    "promotion_clicked",
)
CITIES: Final = tuple(f"City {n}" for n in range(50))
OF_TEN: Final = 10


def definitions(many: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields this many definitions, by id."""
    for n in range(many):
        variant, kind = divmod(n, OF_TEN)
        yield f"bench-{n:03}", _definition(kind, variant)


def _definition(kind: int, variant: int) -> dict[str, Any]:
    event, other = (EVENTS[(variant * 6 + kind + step) % len(EVENTS)] for step in (0, 3))
    days = 7 + variant
    window = {"within": f"P{days}D"}
    return (
        {"kind": "trait", "name": "city", "op": "in", "value": [CITIES[variant % 50], CITIES[(variant + 7) % 50]]},
        {"kind": "trait", "name": "age", "op": "ge", "value": 30 + variant},
        {"kind": "figure", "name": "orders", "op": "ge", "value": 2 + variant % 5},
        {
            "kind": "all",
            "of": [
                {"kind": "figure", "name": "spend", "currency": "USD", "op": "ge", "value": 5_000 + 100 * variant},
                {"kind": "trait", "name": "city", "op": "ne", "value": CITIES[variant % 50]},
            ],
        },
        {"kind": "did", "event": event, "op": "ge", "times": 2 + variant % 7, "window": window},
        {"kind": "did", "event": event, "op": "ge", "times": 1, "window": {"within": f"P{1 + variant}D"}},
        {"kind": "did", "event": event, "op": "le", "times": 2 + variant % 5, "window": window},
        {"kind": "did", "event": event, "op": "eq", "times": 0, "window": window},
        {
            "kind": "sequence",
            "first": {"event": event},
            "then": {"event": other},
            "within": "P1D",
            "window": window,
        },
        {
            "kind": "absence",
            "first": {"event": event},
            "without": {"event": other},
            "within": "PT1H",
            "window": window,
        },
    )[kind]


def in_duckdb() -> dict[str, str]:
    """Returns the first ten definitions as a good engineer would write them for DuckDB; `NOW` stands for the moment.

    Over `customers` (profile_id, city, age, orders, usd) and `history` (profile_id, name, at).
    """
    return {segment_id: _query(kind, one) for kind, (segment_id, one) in enumerate(definitions(OF_TEN))}


def _query(kind: int, one: dict[str, Any]) -> str:
    of_customers = "SELECT profile_id FROM customers WHERE"
    match kind:
        case 0:
            return f"{of_customers} city IN ({', '.join(repr(city) for city in one['value'])})"
        case 1:
            return f"{of_customers} age >= {one['value']}"
        case 2:
            return f"{of_customers} orders >= {one['value']}"
        case 3:
            spend, city = one["of"]
            return f"{of_customers} usd >= {spend['value']} AND city <> {city['value']!r}"
    days = int(one["window"]["within"][1:-1])
    inside = f'"at" <= NOW AND "at" > NOW - INTERVAL {days} DAY'
    if kind < 8:
        counted = f"SELECT profile_id, count(*) AS n FROM history WHERE name = '{one['event']}' AND {inside} GROUP BY 1"
        compared = {"ge": ">=", "le": "<=", "eq": "="}[one["op"]]
        return f"""SELECT c.profile_id FROM customers c LEFT JOIN ({counted}) h USING (profile_id)
                    WHERE coalesce(h.n, 0) {compared} {one["times"]}"""
    span = "1 DAY" if kind == 8 else "1 HOUR"
    first = f"SELECT h.profile_id, h.at FROM history h WHERE name = '{one['first']['event']}' AND {inside}"
    then = one["then" if kind == 8 else "without"]["event"]
    pair = f"""SELECT 1 FROM history w WHERE w.profile_id = f.profile_id AND w.name = '{then}' AND w.at > f.at
                   AND w.at <= f.at + INTERVAL {span}"""
    if kind == 8:
        return f"SELECT DISTINCT profile_id FROM ({first}) f WHERE EXISTS ({pair} AND w.at <= NOW)"
    return f"SELECT DISTINCT profile_id FROM ({first}) f WHERE f.at + INTERVAL {span} <= NOW AND NOT EXISTS ({pair})"
