"""`make bench-understanding`: what it costs to understand an event, plainly and with care, by what kind it is.

Both ways in turns, in one process, on events such as SDKs' users send: from the bytes of each to the record for the
bus. The figure is the fastest of many rounds: what else the machine does only adds to it.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from rich.console import Console
from rich.progress import track
from rich.table import Table

from services.ingest.domain.request.context import RequestContext
from services.ingest.service import triage
from shared.contracts.envelope import SourceKind
from tests.support.careful import Careful

EVENTS: Final = 100  # of one kind, in a request
ROUNDS: Final = 60
CUSTOMERS: Final = 50
NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)

_LINE: Final = {
    "product_id": "p-1",
    "sku": "tea-1",
    "name": "龙井",
    "category": "tea",
    "price": 29.95,
    "quantity": 2,
    "brand": "West Lake",
    "position": 1,
}
_SHORT_LINE: Final = {"product_id": "tea-1", "category": "tea", "quantity": 2, "price": "29.95"}
_ORDER: Final = {"order_id": "o-1", "currency": "EUR", "total": 64.9}


def _track(event: str, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties}


KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "page": {"type": "page", "properties": {"url": "https://shop.example/tea", "path": "/tea", "title": "Tea"}},
    "identify": {"type": "identify", "traits": {"email": "ann@example.com", "name": "Ann"}},
    "product": _track("Product Viewed", product_id="tea-1", category="tea", name="龙井", price="12.50", currency="EUR"),
    "product of which more is said": _track("Product Viewed", **_LINE, currency="EUR"),
    "product added to a cart": _track("Product Added", cart_id="k-1", **_LINE),
    "cart": _track("Cart Updated", cart_id="k-1", currency="EUR", products=[_LINE]),
    "cart without a currency": _track("Cart Viewed", cart_id="k-1", products=[_LINE]),
    "checkout": _track("Checkout Started", order_id="o-1", value=59.9, currency="EUR", products=[_LINE]),
    "order": _track("Order Completed", **_ORDER, products=[_SHORT_LINE]),
    "order of which more is said": _track(
        "Order Completed", **_ORDER, checkout_id="c-1", revenue=59.9, shipping=5, coupon="spring", products=[_LINE]
    ),
    "refund": _track("Order Refunded", **_ORDER),
    "an event of its own": _track("Wishlist Shared", items=3),
}


def events(kind: Mapping[str, Any]) -> list[bytes]:
    """One request's events of a kind."""
    said = {
        **kind,
        "timestamp": "2026-01-31T11:59:57.120Z",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
    }
    return [
        json.dumps({**said, "messageId": f"m-{number}", "userId": f"u-{number % CUSTOMERS}"}).encode()
        for number in range(EVENTS)
    ]


def microseconds(raws: Sequence[bytes], by: RequestContext) -> tuple[float, float]:
    """Of an event: plainly, and with care."""
    fastest = {None: float("inf"), Careful(): float("inf")}
    for _ in range(ROUNDS):
        for watch in fastest:
            started = time.perf_counter()
            done = triage.triage_messages(raws, by, partition_secret=b"secret", watch=watch)
            fastest[watch] = min(fastest[watch], time.perf_counter() - started)
            assert len(done.accepted) == len(raws), done.refused
    plain, careful = (seconds / len(raws) * 1e6 for seconds in fastest.values())
    return plain, careful


def main() -> int:
    """Measures and prints."""
    console = Console(width=110)
    by = RequestContext(
        source_id=UUID(int=7),
        source_kind=SourceKind.SERVER,
        allow_orders=False,
        received_at=NOW,
        new_message_id=lambda: "made",
    )
    table = Table(title="to understand an event, µs of one core")
    for column in ("event", "plainly", "with care", "÷"):
        table.add_column(column, justify="left" if column == "event" else "right")
    for name, kind in track(KINDS.items(), description="kinds", console=console):
        plain, careful = microseconds(events(kind), by)
        table.add_row(name, f"{plain:.1f}", f"{careful:.1f}", f"{careful / plain:.1f}")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
