"""A message reached its customer's mailbox or device."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageDelivered(MessageFact, frozen=True, kw_only=True):
    """A message reached its customer's mailbox or device."""

    TYPE: ClassVar = "rapport.message_delivered.v1"
