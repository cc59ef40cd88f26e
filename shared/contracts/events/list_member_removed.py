"""A customer is on a list no more."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class ListMemberRemoved(WithExtra, frozen=True, kw_only=True):
    """A customer is on a list no more. Of two statements about one list the later counts."""

    TYPE: ClassVar = "rapport.list_member_removed.v1"
    SERVERS_ONLY: ClassVar = True

    list_id: str
