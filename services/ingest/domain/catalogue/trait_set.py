"""A service or a server says traits of a customer, and names nobody by them: `Trait Set`, `POST /v1/traits`."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue.entry import (
    EXAMPLE_CUSTOMER,
    EXAMPLE_OCCURRED,
    CatalogueEntry,
    Fact,
    TypedRoute,
    tracked,
)
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.errors import BadEvent, Reason
from shared.contracts.events import TraitSet

NAMING: Final = ("email", "phone")  # traits that say who a customer is


class _Traits(msgspec.Struct, frozen=True, kw_only=True):
    traits: dict[str, Any] | None = None


def checked(traits: Mapping[str, Any], at: str) -> None:
    """Raises `BadEvent` for traits that are none, or of which one says who the customer is."""
    if not traits:
        raise BadEvent(Reason.REQUIRED, f"{at}: required; send an object with at least one trait")
    for name in NAMING:
        if name in traits:
            raise BadEvent(Reason.IDENTITY, f"{at}: {name!r} says who the customer is; send it in an identify call")


def _rule(read: _Traits, _: str) -> TraitSet:
    checked(read.traits or {}, "properties.traits")
    return TraitSet(traits=read.traits or {})


class Traits(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Traits of a customer, by which nobody is identified: no `email` and no `phone`."""

    traits: dict[str, Any]


ENTRY: Final = CatalogueEntry(
    body=TraitSet,
    names=("trait set",),
    properties=Properties(_Traits, "traits"),
    rule=_rule,
    route=TypedRoute(
        path="traits",
        body=Traits,
        key="state",
        example={
            "customer": EXAMPLE_CUSTOMER,
            "traits": {"favourite_tea": "龙井", "churn_risk": 0.2},
            "occurred_at": EXAMPLE_OCCURRED,
        },
        understand=tracked("Trait Set", _rule, _Traits),
    ),
)
