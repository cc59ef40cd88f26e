"""A message was handed to its channel, for a purpose that consent may be needed for."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.events.body import MARKETING, Body


class MessageSent(Body, frozen=True):
    """A message was handed to its channel, for a purpose that consent may be needed for."""

    TYPE: ClassVar = "rapport.message_sent.v1"

    message_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    channel: str
    subject: str = ""
    purpose: str = MARKETING
