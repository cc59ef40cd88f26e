"""Decisions: what is written down, for each customer, so that "why did she (not) get this?" has an answer."""

from collections.abc import Mapping
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


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the gate went by: the policy's version, the check that decided (none if it passed), what each rule of
    frequency that bounded the message had counted, and the message's priority.

    `propensity` is the probability with which the holdouts let a customer through, once a message came as far as them.
    """

    policy: int
    check: str = ""
    rules: Mapping[str, int] = {}
    propensity: float | None = None
    priority: int = 0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. Its id derives from what was decided on: deciding again writes nothing new.

    `message_id` is of the message that it is about, if there is one yet.
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
    evidence: Evidence | None = None
