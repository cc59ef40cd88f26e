"""An order was cancelled: `Order Cancelled`, `POST /v1/cancellations`."""

from typing import Final

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
from services.ingest.domain.catalogue.parts import ORDER_WORD, Progress
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values.message import text
from shared.contracts.events import OrderCancelled


def _rule(progress: Progress, _: str) -> OrderCancelled:
    word = progress.word or parts.PLAIN_WORD
    return OrderCancelled(
        order_id=parts.required(progress.order_id, "order_id"),
        reason=text(progress.reason),
        in_snapshot=word.in_snapshot,
    )


class Cancellation(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order was cancelled."""

    order_id: str
    reason: str = ""


ENTRY: Final = CatalogueEntry(
    body=OrderCancelled,
    names=(
        "order cancelled",
        "order canceled",
    ),
    properties=Properties(Progress, "order_id", "reason", ORDER_WORD),
    rule=_rule,
    route=TypedRoute(
        path="cancellations",
        body=Cancellation,
        key="state",
        example={"customer": EXAMPLE_CUSTOMER, "order_id": "A-1001", "reason": "changed her mind"},
        understand=tracked("Order Cancelled", _rule, Progress),
    ),
)
