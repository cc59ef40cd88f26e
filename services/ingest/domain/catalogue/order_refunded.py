"""Money was refunded for an order: `Order Refunded`, `POST /v1/refunds`."""

from decimal import Decimal
from typing import Final

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
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


def _rule(refund: _Refund, message_id: str) -> OrderRefunded:
    order_id = parts.required(refund.order_id, "order_id")
    code = money.currency(refund.currency)
    return OrderRefunded(
        order_id=order_id,
        refund_id=parts.short(text(refund.refund_id), "refund_id") or message_id,
        currency=code,
        amount_minor=parts.first_amount(code, total=refund.total, amount=refund.amount, revenue=refund.revenue),
    )


class Refund(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Money was refunded for an order."""

    order_id: str
    refund_id: str
    currency: str
    total: Decimal


ENTRY: Final = CatalogueEntry(
    body=OrderRefunded,
    names=("order refunded",),
    properties=Properties(_Refund, "order_id", "refund_id", "currency", ("total", "amount", "revenue")),
    rule=_rule,
    route=TypedRoute(
        path="refunds",
        body=Refund,
        key="content",
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
