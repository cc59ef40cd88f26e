"""Handing over: the mail, what a provider may answer, and what follows from each answer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from services.campaign.domain.decision import Outcome

MAX_ATTEMPTS: Final = 8
FIRST_RETRY: Final = timedelta(seconds=2)
RETRY_FACTOR: Final = 3  # 2 s, 6 s, 18 s, …: the eighth attempt comes 36 minutes after the first


class State(StrEnum):
    """Where a message stands. Only `pending` is ever sent; `unknown` may have been, and so never is again."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it is handed over. `unsubscribe_url` takes a POST that withdraws consent: RFC 8058."""

    message_id: UUID
    to: str
    subject: str
    text: str
    html: str
    at: datetime
    headers: Mapping[str, str] = {}
    unsubscribe_url: str = ""
    transactional: bool = False


class Accepted(msgspec.Struct, frozen=True):
    """The provider has it."""


class Deferred(msgspec.Struct, frozen=True):
    """The provider certainly does not have it, and may take it later."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """The provider does not have it and never will."""

    reason: str


class Lost(msgspec.Struct, frozen=True):
    """The provider may have it: it was on its way when the reply failed to come."""

    reason: str


Reply = Accepted | Deferred | Rejected | Lost


class Next(msgspec.Struct, frozen=True):
    """What becomes of the message, and the decision to write down."""

    state: State
    outcome: Outcome
    reason: str
    due_at: datetime | None = None


def after(reply: Reply, *, attempt: int, now: datetime) -> Next:
    """Returns what follows from the provider's reply to the `attempt`th attempt, counted from 1."""
    match reply:
        case Accepted():
            return Next(State.SENT, Outcome.SENT, "accepted")
        case Lost(reason):
            return Next(State.UNKNOWN, Outcome.UNKNOWN, reason)
        case Rejected(reason):
            return Next(State.FAILED, Outcome.FAILED, reason)
        case Deferred(reason):
            if attempt >= MAX_ATTEMPTS:
                return Next(State.FAILED, Outcome.FAILED, f"attempt {attempt}: {reason}")
            due_at = now + FIRST_RETRY * RETRY_FACTOR ** (attempt - 1)
            return Next(State.PENDING, Outcome.HELD, reason, due_at)
