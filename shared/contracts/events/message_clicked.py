"""A link in a message was followed."""

from typing import ClassVar

from shared.contracts.events.message_fact import MessageFact


class MessageClicked(MessageFact, frozen=True, kw_only=True):
    """A link in a message was followed."""

    TYPE: ClassVar = "rapport.message_clicked.v1"

    link_id: str | None = None
    url: str = ""
