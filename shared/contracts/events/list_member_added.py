"""A customer is on a list from now on."""

from datetime import datetime
from typing import ClassVar

from shared.contracts.events.body import WithExtra


class ListMemberAdded(WithExtra, frozen=True, kw_only=True):
    """A customer is on a list from now on, or until `expires_at`. Of two statements about one list the later counts."""

    TYPE: ClassVar = "rapport.list_member_added.v1"
    SERVERS_ONLY: ClassVar = True

    list_id: str
    expires_at: datetime | None = None
