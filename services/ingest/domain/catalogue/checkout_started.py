"""A customer began to pay: `Checkout Started`, `POST /v1/checkouts`."""

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
from services.ingest.domain.catalogue.parts import Sale
from services.ingest.domain.values import money
from services.ingest.domain.values.message import text
from shared.contracts.events import Body, CheckoutStarted


def _rule(sale: Sale, _: str) -> CheckoutStarted | None:
    checkout_id = text(sale.checkout_id) or text(sale.order_id) or text(sale.cart_id)
    if not checkout_id or not text(sale.currency):
        return None
    code = money.currency(sale.currency)
    items = parts.items_of(sale.products, code, total_known=parts.has_total(sale))
    total_minor = parts.total_of(sale, items, code)
    return CheckoutStarted(checkout_id=checkout_id, currency=code, total_minor=total_minor, items=items)


_HELD: Final = frozenset({"checkout_id", "currency", "total", "products"})


def _fast_rule(name: str, fields: Fields) -> Body | None:
    if "currency" not in fields:
        return fast.unsold(name, fields)
    code = fast.code_of(fields["currency"])
    id_name = next((one for one in fast.IDS if one in fields), None)
    if code is None or id_name is None:
        return None
    checkout_id, items = fast.id_of(fields[id_name]), fast.items_of(fields.get("products", ()), code)
    if not checkout_id or items is None:
        return None
    known = _HELD if id_name == "checkout_id" else fast.SALE | {id_name, "total"}
    held, total_minor = fast.total_of(fields, known, items, code)
    extra = {} if held.issuperset(fields) else fast.beside_sale(fields, held, code)
    if total_minor is None or extra is None:
        return None
    return CheckoutStarted(checkout_id=checkout_id, currency=code, total_minor=total_minor, items=items, extra=extra)


class Checkout(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer began to pay."""

    checkout_id: str
    currency: str
    items: list[Line] = []
    total: Decimal | None = None


ENTRY: Final = CatalogueEntry(
    body=CheckoutStarted,
    names=("checkout started",),
    properties=parts.sale_of(("checkout_id", "order_id", "cart_id"), "currency", parts.VALUE, "products"),
    rule=_rule,
    fast_rule=_fast_rule,
    has_items=True,
    route=TypedRoute(
        path="checkouts",
        body=Checkout,
        key="state",
        example={"customer": EXAMPLE_CUSTOMER, "checkout_id": "K-1", "currency": "EUR", "items": EXAMPLE_LINES},
        understand=tracked("Checkout Started", _rule, Sale, has_items=True),
    ),
)
