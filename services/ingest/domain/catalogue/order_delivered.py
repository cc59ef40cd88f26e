"""An order reached the customer: `Order Delivered`, `POST /v1/deliveries`."""

from typing import Final

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
from services.ingest.domain.catalogue.parts import Progress
from services.ingest.domain.catalogue.properties import Properties
from shared.contracts.events import OrderDelivered


def _rule(progress: Progress, _: str) -> OrderDelivered:
    return OrderDelivered(order_id=parts.required(progress.order_id, "order_id"))


class DeliveredOrder(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order reached the customer."""

    order_id: str


ENTRY: Final = CatalogueEntry(
    body=OrderDelivered,
    names=("order delivered",),
    properties=Properties(Progress, "order_id"),
    rule=_rule,
    route=TypedRoute(
        path="deliveries",
        body=DeliveredOrder,
        key="state",
        example={"customer": EXAMPLE_CUSTOMER, "order_id": "A-1001"},
        understand=tracked("Order Delivered", _rule, Progress),
    ),
)
