"""An order will come later than promised: `Order Delayed`, `POST /v1/delays`."""

from typing import Final

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
from services.ingest.domain.catalogue.parts import Progress
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values.message import text
from shared.contracts.events import OrderDelayed


def _rule(progress: Progress, _: str) -> OrderDelayed:
    return OrderDelayed(
        order_id=parts.required(progress.order_id, "order_id"),
        reason=text(progress.reason),
        expected_at=text(progress.expected_at),
    )


class Delay(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order will come later than promised."""

    order_id: str
    reason: str = ""
    expected_at: str = ""


ENTRY: Final = CatalogueEntry(
    body=OrderDelayed,
    names=("order delayed",),
    properties=Properties(Progress, "order_id", "reason", "expected_at"),
    rule=_rule,
    route=TypedRoute(
        path="delays",
        body=Delay,
        key="state",
        example={"customer": EXAMPLE_CUSTOMER, "order_id": "A-1001", "reason": "customs", "expected_at": "2026-02-09"},
        understand=tracked("Order Delayed", _rule, Progress),
    ),
)
