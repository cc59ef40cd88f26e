"""An order was placed: `Order Completed`, `POST /v1/orders`."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from services.ingest.domain.catalogue import fast_parts as fast
from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import (
    EXAMPLE_CUSTOMER,
    EXAMPLE_LINES,
    CatalogueEntry,
    Fact,
    Fields,
    Line,
    TypedRoute,
    tracked,
)
from services.ingest.domain.catalogue.parts import MAX_ID_LENGTH, Sale
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import money, times
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import Body, OrderPlaced
from shared.contracts.moments import BOUNDS, is_plausible


def _rule(sale: Sale, _: str) -> OrderPlaced:
    order_id = parts.required(sale.order_id, "order_id")
    code = money.currency(sale.currency)
    return OrderPlaced(
        order_id=order_id,
        currency=code,
        total_minor=parts.first_amount(code, total=sale.total, revenue=sale.revenue),
        items=parts.items_of(sale.products or (), code),
        placed_at=_placed_at(sale.placed_at),
    )


def _placed_at(value: Scalar) -> datetime | None:
    found = text(value)
    if not found:
        return None
    moment = times.moment(found)
    if moment is None:
        raise BadEvent(Reason.TIME, "properties.placed_at: not a time with a zone; send ISO 8601")
    if not is_plausible(moment):
        raise BadEvent(Reason.TIME, f"properties.placed_at: {found[:40]!r} is not possible; send a time {BOUNDS}")
    return moment


_HELD: Final = frozenset({"order_id", "currency", "total", "products"})
_HELD_BY_REVENUE: Final = frozenset({"order_id", "currency", "revenue", "products"})


def _fast_rule(_: str, fields: Fields) -> Body | None:
    code = fast.code_of(fields.get("currency"))
    if code is None:
        return None
    held, name = (_HELD, "total") if "total" in fields else (_HELD_BY_REVENUE, "revenue")
    order_id = fast.id_of(fields.get("order_id", ""))
    total_minor = money.plain(fields.get(name), code)
    items = fast.items_of(fields.get("products", ()), code)
    extra = {} if held.issuperset(fields) else fast.beside_sale(fields, held, code)
    if not 0 < len(order_id) <= MAX_ID_LENGTH or total_minor is None or items is None or extra is None:
        return None
    return OrderPlaced(order_id=order_id, currency=code, total_minor=total_minor, items=items, extra=extra)


class Order(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order was placed; if it is sent again with other items or another total, the later one counts."""

    order_id: str
    currency: str
    total: Decimal
    items: list[Line] = []
    placed_at: str | None = None


ENTRY: Final = CatalogueEntry(
    body=OrderPlaced,
    names=("order completed",),
    properties=parts.sale_of("order_id", "currency", parts.TOTAL, "products", "placed_at"),
    rule=_rule,
    fast_rule=_fast_rule,
    has_items=True,
    route=TypedRoute(
        path="orders",
        body=Order,
        key="content",
        example={
            "customer": EXAMPLE_CUSTOMER,
            "order_id": "A-1001",
            "currency": "EUR",
            "total": "59.90",
            "items": EXAMPLE_LINES,
        },
        understand=tracked("Order Completed", _rule, Sale, has_items=True),
    ),
)
