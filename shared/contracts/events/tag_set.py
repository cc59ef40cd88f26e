"""A customer has a tag from now on."""

from datetime import datetime
from typing import ClassVar

from shared.contracts.events.body import WithExtra


class TagSet(WithExtra, frozen=True, kw_only=True):
    """A customer has a tag from now on, or until `expires_at`. Of two statements about one tag the later counts."""

    TYPE: ClassVar = "rapport.tag_set.v1"
    SERVERS_ONLY: ClassVar = True

    tag: str
    reason: str = ""
    expires_at: datetime | None = None
