"""An order left for the customer: `Order Shipped`, `POST /v1/shipments`."""

from typing import Final

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
from services.ingest.domain.catalogue.parts import Progress
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values.message import text
from shared.contracts.events import OrderShipped


def _rule(progress: Progress, _: str) -> OrderShipped:
    return OrderShipped(
        order_id=parts.required(progress.order_id, "order_id"),
        carrier=text(progress.carrier),
        tracking_number=text(progress.tracking_number),
    )


class Shipment(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order left for the customer."""

    order_id: str
    carrier: str = ""
    tracking_number: str = ""


ENTRY: Final = CatalogueEntry(
    body=OrderShipped,
    names=("order shipped",),
    properties=Properties(Progress, "order_id", "carrier", "tracking_number"),
    rule=_rule,
    route=TypedRoute(
        path="shipments",
        body=Shipment,
        key="state",
        example={"customer": EXAMPLE_CUSTOMER, "order_id": "A-1001", "carrier": "DHL", "tracking_number": "JD01460"},
        understand=tracked("Order Shipped", _rule, Progress),
    ),
)
