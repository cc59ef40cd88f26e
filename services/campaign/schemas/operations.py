"""Requests and responses of what operators do and ask."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.campaign.domain.gate import SendStop
from services.campaign.domain.ledger import Ledger
from services.campaign.domain.provider import ProviderStop
from shared.http import Text


def _decoded(value: object) -> object:
    """Returns a stored document as what it is."""
    return msgspec.json.decode(value) if isinstance(value, str) else value


class MessageOut(BaseModel):
    """One message. In the state `unknown` it may have been sent, and is never sent again."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    journey_id: str
    journey_version: int
    profile_id: UUID
    trigger_id: str = Field(description="the id of the change that triggered the message")
    state: str
    subject: str | None
    attempts: int
    due_at: datetime
    created_at: datetime
    handed_at: datetime | None
    cause_occurred_at: datetime
    cause_received_at: datetime


class MessagesOut(BaseModel):
    """A page of messages. `next` is the cursor of the page after it, or null."""

    messages: list[MessageOut]
    next: str | None


class DecisionOut(BaseModel):
    """What was decided on a change or a message, and why."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    profile_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    outcome: str = Field(description="entered, skipped, held, capped, refused, sent, failed or unknown")
    reason: str
    at: datetime
    cause_occurred_at: datetime
    message_id: UUID | None = Field(None, description="the message that it is about")
    evidence: Annotated[dict[str, Any] | None, BeforeValidator(_decoded)] = Field(
        None,
        description="what the gate went by: the policy's version, the check that decided, what each rule that bounded "
        "the message had counted, its priority, and the propensity of the holdouts",
    )


class DecisionsOut(BaseModel):
    """What was decided about a customer, newest first."""

    decisions: list[DecisionOut]


class JourneyFiguresOut(BaseModel):
    """One journey's messages."""

    model_config = ConfigDict(from_attributes=True)

    journey_id: str
    states: dict[str, int] = Field(description="messages by state")
    sent_triggers: int = Field(description="distinct (profile, journey, trigger) among those sent")
    p50_seconds: float | None = Field(
        description="median time from accepting the causing event over HTTP to handing over the message, in seconds; "
        "changes by time alone are left out"
    )
    p99_seconds: float | None = Field(description="the same for 99 of 100 messages, in seconds")


class FiguresOut(BaseModel):
    """The figures of every journey that has messages."""

    journeys: list[JourneyFiguresOut]


class SendStopIn(BaseModel):
    """Why all sending is stopped."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "a wrong price in a mail"}]})

    reason: Text = Field("", max_length=500, description="why, for whoever reads it later")


class ProviderReplyOut(BaseModel):
    """What a provider replied when it refused us."""

    stage: str = Field(description="of the SMTP dialogue, or of an HTTP request", examples=["MAIL FROM"])
    code: int = Field(description="0 if the server gave none: its certificate is invalid, or it offers no TLS")
    status: str = Field(description="the enhanced status, or empty", examples=["5.7.1"])
    text: str
    at: datetime


class ProviderStopOut(BaseModel):
    """A channel whose provider takes nothing from us. Its messages are held, and one at a time tries again."""

    channel: str
    stopped_at: datetime
    trouble: str = Field(description="login, tls, limit, relay, sender, blocked or other")
    advice: str = Field(description="what to do")
    reply: ProviderReplyOut
    probes: int = Field(description="messages that have tried since the stop, or since an operator's word")
    tries_again_at: datetime

    @classmethod
    def of(cls, stop: ProviderStop) -> Self:
        """Returns the stop, as the API gives it."""
        reply = ProviderReplyOut(
            stage=stop.reply.stage.value,
            code=stop.reply.code,
            status=stop.reply.status,
            text=stop.reply.text,
            at=stop.replied_at,
        )
        return cls(
            channel=stop.channel,
            stopped_at=stop.stopped_at,
            trouble=stop.trouble.value,
            advice=stop.advice,
            reply=reply,
            probes=stop.probes,
            tries_again_at=stop.probe_at,
        )


class ProviderStopsOut(BaseModel):
    """The channels by which nothing leaves, because their providers take nothing from us."""

    stops: list[ProviderStopOut]


class SuppressionOut(BaseModel):
    """An address to which nothing goes: its provider replied that it takes no mail, or somebody listed it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel: str
    address: str
    reason: str = Field(description="the provider's reply, or the reason that was given")
    suppressed_at: datetime


class SuppressionsIn(BaseModel):
    """Addresses to suppress."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"channel": "email", "addresses": ["bob@example.com"], "reason": "asked by telephone"}]
        },
    )

    channel: Literal["email", "sms"] = Field(description="by which nothing is to go there")
    addresses: list[Annotated[Text, Field(max_length=320)]] = Field(min_length=1, max_length=10_000)
    reason: Text = Field(min_length=1, max_length=500, description="why, for whoever reads it later; no personal data")


class SuppressionsAddedOut(BaseModel):
    """How many addresses were suppressed."""

    added: int
    already: int = Field(description="were suppressed before")


class SuppressionsOut(BaseModel):
    """A page of suppressions. `next` is the cursor of the page after it, or null."""

    suppressions: list[SuppressionOut]
    next: str | None


class SendStopOut(BaseModel):
    """Whether all sending is stopped, and if so since when, by whom and why."""

    stopped: bool
    stopped_at: datetime | None
    stopped_by: str | None
    reason: str | None = Field(description="empty if no reason was given")
    providers: list[ProviderStopOut] = Field(description="channels by which nothing leaves though nobody stopped them")

    @classmethod
    def of(cls, stop: SendStop | None, providers: Sequence[ProviderStop]) -> Self:
        """Returns the stop, or that there is none."""
        refused = [ProviderStopOut.of(one) for one in providers]
        if stop is None:
            return cls(stopped=False, stopped_at=None, stopped_by=None, reason=None, providers=refused)
        return cls(
            stopped=True,
            stopped_at=stop.stopped_at,
            stopped_by=stop.stopped_by,
            reason=stop.reason,
            providers=refused,
        )


def _iso(value: object) -> datetime:
    """Only a text in ISO 8601: a number would be taken for seconds, and a mistyped date for a moment of 1970."""
    if not isinstance(value, str):
        raise ValueError("must be a text, such as 2026-03-01T12:00:00Z")
    return datetime.fromisoformat(value)


class SendCutoffIn(BaseModel):
    """The send cutoff to set."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"at": "2026-03-01T12:00:00Z"}]})

    at: Annotated[datetime, BeforeValidator(_iso)] = Field(
        description="not later than now; messages for triggers from before it are never sent",
        examples=["2026-03-01T12:00:00Z"],
    )


class SendCutoffOut(BaseModel):
    """The send cutoff, and whether one is awaited."""

    awaiting: bool = Field(description="true while no message leaves because the database was restored")
    since: datetime | None = Field(description="since when a send cutoff is awaited")
    reason: str | None = Field(description="the sign by which the restore was noticed")
    send_cutoff: datetime | None = Field(
        description="messages for triggers from before it are never sent; null if none was ever set"
    )

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        """Returns the ledger's state, as the API gives it."""
        return cls(
            awaiting=ledger.awaiting_since is not None,
            since=ledger.awaiting_since,
            reason=ledger.reason,
            send_cutoff=ledger.send_cutoff,
        )


class FormerSendCutoffOut(SendCutoffOut):
    """The same under its former name, for programs that still ask at the former path."""

    send_cutoff: datetime | None = Field(serialization_alias="floor")
