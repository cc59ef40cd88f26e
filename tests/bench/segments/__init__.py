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
