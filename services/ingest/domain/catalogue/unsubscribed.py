"""A customer wants no more mail: `Unsubscribed`, as other systems that send mail say it."""

from typing import Final

import msgspec

from services.ingest.domain.catalogue.entry import CatalogueEntry
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.definitions import consent
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import MARKETING, ConsentChanged


class _Unsubscribed(msgspec.Struct, frozen=True, kw_only=True):
    channel: Scalar = None
    purpose: Scalar = None


def _rule(read: _Unsubscribed, _: str) -> ConsentChanged:
    return consent.checked(
        ConsentChanged(
            channel=text(read.channel).lower() or "email",
            purpose=text(read.purpose).lower() or MARKETING,
            granted=False,
            evidence={"event": "Unsubscribed"},
        )
    )


ENTRY: Final = CatalogueEntry(
    body=ConsentChanged,
    names=("unsubscribed",),
    properties=Properties(_Unsubscribed, "channel", "purpose"),
    rule=_rule,
)
