"""A message came back; `permanent` if its provider says so, for good."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageBounced(MessageFact, frozen=True, kw_only=True):
    """A message came back; `permanent` if its provider says so, for good."""

    TYPE: ClassVar = "rapport.message_bounced.v1"

    permanent: bool | None = None
    reason: str = ""
