"""A customer has a tag no more."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class TagCleared(WithExtra, frozen=True, kw_only=True):
    """A customer has a tag no more. Of two statements about one tag the later counts."""

    TYPE: ClassVar = "rapport.tag_cleared.v1"
    SERVERS_ONLY: ClassVar = True

    tag: str
