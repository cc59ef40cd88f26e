"""A message was given up: it never left, or its provider refused it."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageFailed(MessageFact, frozen=True, kw_only=True):
    """A message was given up: it never left, or its provider refused it. What comes back later has bounced."""

    TYPE: ClassVar = "rapport.message_failed.v1"

    reason: str = ""
