"""Decisions: what is written down, for each customer, so that "why did she (not) get this?" has an answer."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Outcome(StrEnum):
    """What became of a trigger, or of the message it set off."""

    ENTERED = "entered"
    SKIPPED = "skipped"
    FINISHED = "finished"
    EXITED = "exited"
    HELD = "held"
    CAPPED = "capped"
    REFUSED = "refused"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. Its id derives from what was decided on: deciding again writes nothing new.

    `message_id` is of the message that it is about, if there is one yet; it is not kept.
    """

    id: UUID
    profile_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    outcome: Outcome
    reason: str
    cause_occurred_at: datetime
    message_id: UUID | None = None
