"""Money was refunded for an order: `Order Refunded`, `POST /v1/refunds`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, Product, TypedRoute, tracked
from services.ingest.domain.catalogue.parts import ORDER_WORD, OrderWord
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values import money
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import OrderRefunded


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    order_id: Scalar = None
    refund_id: Scalar = None
    currency: Scalar = None
    total: Decimal | None = None
    amount: Decimal | None = None
    revenue: Decimal | None = None
    products: tuple[Product, ...] | Mapping[str, Product] | None = None
    word: OrderWord | None = msgspec.field(default=None, name=ORDER_WORD)


def _rule(refund: _Refund, message_id: str) -> OrderRefunded:
    """Segment's specification, version 2: with an order's id alone all of it is refunded, with products these."""
    order_id = parts.required(refund.order_id, "order_id")
    word = refund.word or parts.PLAIN_WORD
    full = refund.total is None and refund.amount is None and refund.revenue is None and not refund.products
    code = text(refund.currency) and money.currency(refund.currency) if full else money.currency(refund.currency)
    return OrderRefunded(
        order_id=order_id,
        refund_id=parts.short(text(refund.refund_id), "refund_id") or message_id,
        currency=code,
        amount_minor=0 if full else _amount(refund, code),
        full=full,
        in_snapshot=word.in_snapshot,
        payment_id=parts.short(word.payment_id, "$order.payment_id"),
        payment_refs=parts.refs(word),
        in_all=word.in_all,
        dispute=word.dispute,
    )


def _amount(refund: _Refund, code: str) -> int:
    if refund.total is None and refund.amount is None and refund.revenue is None:
        return parts.total_of(parts.Sale(), parts.items_of(refund.products, code, total_known=False), code)
    return parts.first_amount(code, total=refund.total, amount=refund.amount, revenue=refund.revenue)


class Refund(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Money was refunded for an order."""

    order_id: str
    refund_id: str
    currency: str
    total: Decimal


ENTRY: Final = CatalogueEntry(
    body=OrderRefunded,
    names=("order refunded",),
    properties=Properties(_Refund, "order_id", "refund_id", "currency", ("total", "amount", "revenue"), ORDER_WORD),
    rule=_rule,
    route=TypedRoute(
        path="refunds",
        body=Refund,
        key="state",
        example={
            "customer": EXAMPLE_CUSTOMER,
            "order_id": "A-1001",
            "refund_id": "R-1",
            "currency": "EUR",
            "total": "29.95",
        },
        understand=tracked("Order Refunded", _rule, _Refund),
    ),
)
