"""A customer is on a list, or is no more: `List Member Added`, `POST /v1/list-members`; `List Member Removed`,
`POST /v1/removed-list-members`.
"""

from typing import Final

import msgspec

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import EXAMPLE_CUSTOMER, CatalogueEntry, Fact, TypedRoute, tracked
from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.values.message import Scalar
from shared.contracts.events import ListMemberAdded, ListMemberRemoved


class _Member(msgspec.Struct, frozen=True, kw_only=True):
    list_id: Scalar = None
    expires_at: Scalar = None


class _FormerMember(msgspec.Struct, frozen=True, kw_only=True):
    list_id: Scalar = None


def _added_rule(read: _Member, _: str) -> ListMemberAdded:
    return ListMemberAdded(
        list_id=parts.required(read.list_id, "list_id"), expires_at=parts.moment(read.expires_at, "expires_at")
    )


def _removed_rule(read: _FormerMember, _: str) -> ListMemberRemoved:
    return ListMemberRemoved(list_id=parts.required(read.list_id, "list_id"))


class ListMember(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer is on a list from now on, or until `expires_at` (RFC 3339)."""

    list_id: str
    expires_at: str | None = None


class RemovedListMember(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer is on a list no more."""

    list_id: str


ENTRIES: Final = (
    CatalogueEntry(
        body=ListMemberAdded,
        names=("list member added",),
        properties=Properties(_Member, "list_id", "expires_at"),
        rule=_added_rule,
        route=TypedRoute(
            path="list-members",
            body=ListMember,
            key="state",
            example={
                "customer": EXAMPLE_CUSTOMER,
                "list_id": "spring-tasting",
                "expires_at": "2027-01-31T00:00:00Z",
            },
            understand=tracked("List Member Added", _added_rule, _Member),
        ),
    ),
    CatalogueEntry(
        body=ListMemberRemoved,
        names=("list member removed",),
        properties=Properties(_FormerMember, "list_id"),
        rule=_removed_rule,
        route=TypedRoute(
            path="removed-list-members",
            body=RemovedListMember,
            key="state",
            example={"customer": EXAMPLE_CUSTOMER, "list_id": "spring-tasting"},
            understand=tracked("List Member Removed", _removed_rule, _FormerMember),
        ),
    ),
)
