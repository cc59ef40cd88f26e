"""Handing over: the message, what a provider may answer, and what follows from each answer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from services.campaign.domain.decision import Outcome
from services.campaign.domain.replies import About, ProviderReply, Stage

MAX_ATTEMPTS: Final = 8
FIRST_RETRY: Final = timedelta(seconds=2)
RETRY_FACTOR: Final = 3  # 2 s, 6 s, 18 s, …: the eighth attempt comes 36 minutes after the first
LONGEST_WAIT: Final = timedelta(minutes=10)  # between tries that do not count: the provider is away
WITHHELD_LOOK_AGAIN: Final = timedelta(seconds=10)


class State(StrEnum):
    """Where a message stands. Only `pending` is ever sent; `unknown` may have been, and so never is again."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it is handed over to any channel: `to` is an address of the channel's kind.

    `parts` are those that the channel's capabilities name. `headers` say what sent it, for whoever delivers it.
    `unsubscribe_url` takes a POST that withdraws consent: RFC 8058.
    """

    id: UUID
    to: str
    parts: Mapping[str, str]
    at: datetime
    headers: Mapping[str, str] = {}
    unsubscribe_url: str = ""
    transactional: bool = False

    def part(self, name: str) -> str:
        """Returns a part, or an empty text."""
        return self.parts.get(name, "")


class Accepted(msgspec.Struct, frozen=True):
    """The provider has it."""


class Deferred(msgspec.Struct, frozen=True):
    """The provider certainly does not have it, and may take it later.

    `counted` is False if that is not for this message's sake (it refused before it knew to whom the message goes, or
    speaks of a limit of ours): then it is no try of this message.
    """

    reason: str
    counted: bool = True
    stage: Stage | None = None


class Rejected(msgspec.Struct, frozen=True):
    """The provider does not have this message and never will."""

    reason: str
    stage: Stage | None = None


class Undeliverable(msgspec.Struct, frozen=True):
    """The provider does not have it, and will take nothing else for this address either."""

    reply: ProviderReply


class Withheld(msgspec.Struct, frozen=True):
    """The provider does not have it because it takes nothing from us at present: no fault of the message."""

    reply: ProviderReply


class Lost(msgspec.Struct, frozen=True):
    """The provider may have it: it was on its way when the reply failed to come."""

    reason: str


Reply = Accepted | Deferred | Rejected | Undeliverable | Withheld | Lost


def meaning(reply: ProviderReply) -> Reply:
    """Returns what a negative reply means for the message that it was given to."""
    match reply.about:
        case About.ACCOUNT:
            return Withheld(reply)
        case About.ADDRESS:
            return Undeliverable(reply)
        case About.MESSAGE:
            return Rejected(f"rejected: {reply}", reply.stage)
        case About.LATER:
            return Deferred(f"deferred: {reply}", reply.counts, reply.stage)


class Next(msgspec.Struct, frozen=True):
    """What becomes of the message, and the decision to write down. `counted`: the attempt was one of this message."""

    state: State
    outcome: Outcome
    reason: str
    due_at: datetime | None = None
    counted: bool = True


def kind(reply: Reply) -> str:
    """Returns the word for a reply in figures."""
    match reply:
        case Accepted():
            return "accepted"
        case Undeliverable():
            return "address"
        case Withheld():
            return "account"
        case Rejected():
            return "message"
        case Deferred(_, _, None):
            return "away"
        case Deferred():
            return "later"
        case Lost():
            return "unknown"


def after(reply: Reply, *, attempt: int, now: datetime, waited: timedelta = timedelta()) -> Next:
    """Returns what follows from the provider's reply to the `attempt`th attempt, counted from 1.

    `waited` is how long the message has been waiting: while the provider is away, tries come the rarer the longer it
    lasts, and end when the message is too old.
    """
    match reply:
        case Accepted():
            return Next(State.SENT, Outcome.SENT, "accepted")
        case Lost(reason):
            return Next(State.UNKNOWN, Outcome.UNKNOWN, reason)
        case Rejected(reason):
            return Next(State.FAILED, Outcome.FAILED, reason)
        case Undeliverable(refused):
            return Next(State.FAILED, Outcome.FAILED, f"address: {refused}")
        case Withheld(refused):
            return Next(State.PENDING, Outcome.HELD, f"provider: {refused}", now + WITHHELD_LOOK_AGAIN, counted=False)
        case Deferred(reason, False):
            pause = min(max(FIRST_RETRY, waited / 2), LONGEST_WAIT)
            return Next(State.PENDING, Outcome.HELD, reason, now + pause, counted=False)
        case Deferred(reason):
            if attempt >= MAX_ATTEMPTS:
                return Next(State.FAILED, Outcome.FAILED, f"attempt {attempt}: {reason}")
            due_at = now + FIRST_RETRY * RETRY_FACTOR ** (attempt - 1)
            return Next(State.PENDING, Outcome.HELD, reason, due_at)
