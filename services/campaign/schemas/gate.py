"""Requests and responses about the gate's policy, and the sums of reasons."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

POLICY: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "quiet_hours": [{"start": "22:00", "end": "08:00", "then": "hold"}],
    "frequency": [
        {"name": "weekly", "messages": 3, "hours": 168},
        {"name": "sms-a-day", "messages": 1, "days": 1, "channels": ["sms"], "when_full": "hold"},
    ],
    "global_holdout": {"percent": 2.5, "salt": "all", "rotates": "quarter"},
    "holdouts": {"win-back": {"percent": 10, "salt": "win-back-1"}},
    "same_content_days": 7,
    "priorities": {"welcome-to-tier": 10},
}


class GatePolicyIn(BaseModel):
    """A policy to put in force. `docs/campaign-gate.md` has its fields."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"policy": POLICY}]})

    policy: dict[str, Any] = Field(description="whole: what it leaves out has its default")


class GatePolicyOut(BaseModel):
    """The policy in force. Version 0 is the one that holds while nobody has written any."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    policy: dict[str, Any] = Field(description="as it was written, without what has its default")
    frequency: list[dict[str, Any]] = Field(
        description="the rules of frequency that hold: while the policy has none, the one of the settings"
    )
    changed_at: datetime | None
    changed_by: str


class ReasonCountOut(BaseModel):
    """How many messages have this as their latest decision, and of how many customers."""

    model_config = ConfigDict(from_attributes=True)

    outcome: str = Field(description="sent, held, capped, refused, failed or unknown")
    reason: str
    messages: int
    customers: int


class ReasonSumsOut(BaseModel):
    """What became of the messages of one journey or broadcast."""

    model_config = ConfigDict(from_attributes=True)

    journey_id: str
    messages: int = Field(description="that were decided on, each once")
    sent: int
    reasons: list[ReasonCountOut] = Field(description="the most frequent first; their messages add up to `messages`")


class GateReasonsOut(BaseModel):
    """What became of messages, by journey or broadcast."""

    since: datetime
    until: datetime
    journeys: list[ReasonSumsOut]
