"""An order was placed: `Order Completed`, `POST /v1/orders`; or it was changed: `Order Updated`."""

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
from services.ingest.domain.catalogue.parts import MAX_ID_LENGTH, ORDER_WORD, OrderWord, Sale
from services.ingest.domain.values import money
from shared.contracts.events import Body, OrderPlaced, OrderRefund


def _rule(sale: Sale, _: str) -> OrderPlaced:
    return _stated(sale, sale.word or parts.PLAIN_WORD)


def _update_rule(sale: Sale, _: str) -> OrderPlaced:
    """Of an order that is changed nobody says whether it still stands."""
    return _stated(sale, sale.word or parts.OrderWord(state="unsaid"))


def _stated(sale: Sale, word: OrderWord) -> OrderPlaced:
    order_id = parts.required(sale.order_id, "order_id")
    code = money.currency(sale.currency)
    return OrderPlaced(
        order_id=order_id,
        currency=code,
        total_minor=parts.first_amount(code, total=sale.total, revenue=sale.revenue),
        items=parts.items_of(sale.products, code, total_known=True),
        placed_at=parts.moment(sale.placed_at, "placed_at"),
        state=word.state,
        whole=word.whole,
        refunds=tuple(_refund(one, code) for one in word.refunds),
        payment_refs=parts.refs(word),
        payment_id=parts.short(word.payment_id, "$order.payment_id"),
    )


def _refund(one: parts.SnapshotRefund, code: str) -> OrderRefund:
    refund_id = parts.required(one.refund_id, "$order.refunds.refund_id")
    return OrderRefund(refund_id=refund_id, amount_minor=money.minor(one.total, code, at="$order.refunds.total"))


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
    return OrderPlaced(
        order_id=order_id, currency=code, total_minor=total_minor, items=items, extra=extra, state="placed"
    )


class Order(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order was placed; if it is sent again with other items or another total, the later one counts."""

    order_id: str
    currency: str
    total: Decimal
    items: list[Line] = []
    placed_at: str | None = None


_PROPERTIES: Final = parts.sale_of("order_id", "currency", parts.TOTAL, "products", "placed_at", ORDER_WORD)

UPDATE: Final = CatalogueEntry(
    body=OrderPlaced,
    names=("order updated",),
    properties=_PROPERTIES,
    rule=_update_rule,
    has_items=True,
)
ENTRY: Final = CatalogueEntry(
    body=OrderPlaced,
    names=("order completed",),
    properties=_PROPERTIES,
    rule=_rule,
    fast_rule=_fast_rule,
    has_items=True,
    route=TypedRoute(
        path="orders",
        body=Order,
        key="state",
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
