"""A customer gave or withdrew consent: `Consent Changed`, `POST /v1/consents`."""

from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import (
    EXAMPLE_CUSTOMER,
    EXAMPLE_OCCURRED,
    CatalogueEntry,
    Fact,
    TypedRoute,
    tracked,
)
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.definitions import consent
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import MARKETING, ConsentChanged


class _Consent(msgspec.Struct, frozen=True, kw_only=True):
    channel: Scalar = None
    purpose: Scalar = None
    granted: bool | Scalar = None
    evidence: dict[str, Any] | None = None


def _rule(change: _Consent, _: str) -> ConsentChanged:
    granted = consent.granted(change.granted)
    if granted is None:
        stated = "required" if change.granted in (None, "") else "neither yes nor no"
        raise BadEvent(
            Reason.CONSENT, f"granted: {stated}; send true in properties.granted, or false to withdraw what was given"
        )
    return consent.checked(
        ConsentChanged(
            channel=parts.required(change.channel, "channel").lower(),
            purpose=text(change.purpose).lower() or MARKETING,
            granted=granted,
            evidence=change.evidence or {},
        )
    )


class Consent(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer gave consent to a channel and a purpose, or withdrew it; `evidence` is how: the form, its wording."""

    channel: str
    granted: bool
    purpose: str = MARKETING
    evidence: dict[str, Any] = {}


ENTRY: Final = CatalogueEntry(
    body=ConsentChanged,
    names=("consent changed",),
    properties=Properties(_Consent, "channel", "purpose", "granted", "evidence"),
    rule=_rule,
    route=TypedRoute(
        path="consents",
        body=Consent,
        key="moment",
        example={
            "customer": EXAMPLE_CUSTOMER,
            "channel": "email",
            "purpose": "marketing",
            "granted": True,
            "evidence": {"form": "checkout", "wording": "Write to me about new teas"},
            "occurred_at": EXAMPLE_OCCURRED,
        },
        understand=tracked("Consent Changed", _rule, _Consent),
    ),
)
