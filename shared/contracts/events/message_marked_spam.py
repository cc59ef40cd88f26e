"""A customer marked a message as spam."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageMarkedSpam(MessageFact, frozen=True, kw_only=True):
    """A customer marked a message as spam."""

    TYPE: ClassVar = "rapport.message_marked_spam.v1"
