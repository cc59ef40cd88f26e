"""A message was opened."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageOpened(MessageFact, frozen=True, kw_only=True):
    """A message was opened."""

    TYPE: ClassVar = "rapport.message_opened.v1"
