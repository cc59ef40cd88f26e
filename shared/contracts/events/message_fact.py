"""What facts about a message that was sent have in common, whoever sent it."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class MessageFact(WithExtra, frozen=True, kw_only=True):
    """A fact about a message. `message_id` is its sender's own id; definition and step are what it was sent by.

    `automated` marks what a machine did: a proxy that fetches pictures, a scanner that follows links. `cost_minor` is
    what the message cost its sender, in minor units of `currency`.
    """

    SERVERS_ONLY: ClassVar = True

    message_id: str
    channel: str = "email"
    purpose: str = ""
    definition_id: str | None = None
    definition_version: int | None = None
    step: str = ""
    subject: str = ""
    automated: bool = False
    cost_minor: int | None = None
    currency: str = ""
