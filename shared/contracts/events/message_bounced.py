"""A message came back. It is not said whether for good, unless `permanent` says so."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageBounced(MessageFact, frozen=True, kw_only=True):
    """A message came back. It is not said whether for good, unless `permanent` says so."""

    TYPE: ClassVar = "rapport.message_bounced.v1"

    permanent: bool | None = None
    reason: str = ""
