"""Any event without a type of its own: all other `track` calls, `POST /v1/events`."""

from typing import Any, Final

from services.ingest.domain.catalogue.entry import (
    EXAMPLE_CUSTOMER,
    CatalogueEntry,
    EventMeaning,
    Fact,
    FactCall,
    TypedRoute,
)
from shared.contracts.events import CustomEvent


class Custom(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Any event without a route of its own."""

    name: str
    properties: dict[str, Any] = {}


def _understand(fact: Custom, call: FactCall) -> EventMeaning:
    return call.track(fact.name.strip(), fact.properties)


ENTRY: Final = CatalogueEntry(
    body=CustomEvent,
    route=TypedRoute(
        path="events",
        body=Custom,
        key="header",
        example={"customer": EXAMPLE_CUSTOMER, "name": "Wishlist Shared", "properties": {"items": 3}},
        understand=_understand,
    ),
)
