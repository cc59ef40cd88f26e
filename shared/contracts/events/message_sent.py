"""A message was handed to its channel, for a purpose that consent may be needed for."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.events.body import MARKETING, Body


class MessageSent(Body, frozen=True):
    """A message was handed to its channel, for a purpose that consent may be needed for.

    `definition_id`, `definition_version`, `step` and what it cost as in `MessageFact`, so that all facts of one message
    name what it was sent by alike. They are None in a record of a writer that did not have them: its definition is its
    journey.
    """

    TYPE: ClassVar = "rapport.message_sent.v1"
    SERVERS_ONLY: ClassVar = True

    message_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    channel: str
    subject: str = ""
    purpose: str = MARKETING
    definition_id: str | None = None
    definition_version: int | None = None
    step: str = ""
    cost_minor: int | None = None
    currency: str = ""
