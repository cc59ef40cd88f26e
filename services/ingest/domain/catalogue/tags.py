"""A customer has a tag, or has it no more: `Tag Set`, `POST /v1/tags`; `Tag Cleared`, `POST /v1/cleared-tags`."""

from typing import Final

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import TagCleared, TagSet


class _Tag(msgspec.Struct, frozen=True, kw_only=True):
    tag: Scalar = None
    reason: Scalar = None
    expires_at: Scalar = None


class _ClearedTag(msgspec.Struct, frozen=True, kw_only=True):
    tag: Scalar = None


def _set_rule(read: _Tag, _: str) -> TagSet:
    return TagSet(
        tag=parts.required(read.tag, "tag"),
        reason=text(read.reason),
        expires_at=parts.moment(read.expires_at, "expires_at"),
    )


def _cleared_rule(read: _ClearedTag, _: str) -> TagCleared:
    return TagCleared(tag=parts.required(read.tag, "tag"))


class Tag(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer has a tag from now on, or until `expires_at` (RFC 3339)."""

    tag: str
    reason: str = ""
    expires_at: str | None = None


class ClearedTag(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer has a tag no more."""

    tag: str


ENTRIES: Final = (
    CatalogueEntry(
        body=TagSet,
        names=("tag set",),
        properties=Properties(_Tag, "tag", "reason", "expires_at"),
        rule=_set_rule,
        route=TypedRoute(
            path="tags",
            body=Tag,
            key="state",
            example={
                "customer": EXAMPLE_CUSTOMER,
                "tag": "tea lover",
                "reason": "asked for the spring list",
                "expires_at": "2027-01-31T00:00:00Z",
            },
            understand=tracked("Tag Set", _set_rule, _Tag),
        ),
    ),
    CatalogueEntry(
        body=TagCleared,
        names=("tag cleared",),
        properties=Properties(_ClearedTag, "tag"),
        rule=_cleared_rule,
        route=TypedRoute(
            path="cleared-tags",
            body=ClearedTag,
            key="state",
            example={"customer": EXAMPLE_CUSTOMER, "tag": "tea lover"},
            understand=tracked("Tag Cleared", _cleared_rule, _ClearedTag),
        ),
    ),
)
