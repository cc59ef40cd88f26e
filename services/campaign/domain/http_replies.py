"""What a provider's reply over HTTP means: the same classes as those of SMTP.

By status (RFC 9110, section 15; RFC 6585 for 429) and, where a provider names the error, by its name. What is not
known to be for good may come later; what may have been taken is never denied.
"""

from typing import Final

import msgspec

from services.campaign.domain.delivery import Accepted, Deferred, Lost, Rejected, Reply, Undeliverable, Withheld
from services.campaign.domain.replies import MAX_TEXT_LENGTH, ProviderReply, Stage

# Names of errors in a reply's body: docs/campaign-channels.md.
OF_ADDRESS: Final = frozenset({"invalid_number", "unreachable_number", "opted_out"})
OF_ACCOUNT: Final = frozenset({"no_credit", "blocked_sender", "account_suspended"})

_LATER: Final = frozenset({408, 421, 425, 429, 503})  # not taken: too early, too many, or nobody there
# Whatever the message, it would be refused: login, payment, or a URL that is not the provider's.
_ACCOUNT: Final = frozenset({401, 402, 403, 404, 405, 407})


class ErrorBody(msgspec.Struct, frozen=True):
    """What a provider may say of an error."""

    error: str = ""
    message: str = ""


def error_body(content: bytes) -> ErrorBody:
    """Returns what a reply's body says of the error; one in another form is taken as its text."""
    try:
        return msgspec.json.decode(content, type=ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ErrorBody(message=content.decode(errors="replace"))


def http_reply(status: int, body: ErrorBody, *, may_lose: bool) -> Reply:
    """Returns what a reply means for the message that it was given to. Total.

    An error of the server leaves open whether the message was taken: where the channel `may_lose`, it is `Lost`.
    """
    if 200 <= status <= 299:
        return Accepted()
    reply = _reply(Stage.REQUEST, status, body)
    if body.error in OF_ACCOUNT or status in _ACCOUNT or 300 <= status <= 399:
        return Withheld(reply)
    if status in _LATER:
        return Deferred(f"deferred: {reply}", counted=False, stage=Stage.REQUEST)
    if not 400 <= status <= 499:
        return Lost(f"no answer: {reply}") if may_lose else Deferred(f"deferred: {reply}")
    reply = msgspec.structs.replace(reply, stage=Stage.MESSAGE)
    if body.error in OF_ADDRESS:
        return Undeliverable(reply)
    return Rejected(f"rejected: {reply}", Stage.MESSAGE)


def untrusted(text: str) -> Withheld:
    """Returns that nothing can leave because whoever answers is not the one that the settings name."""
    return Withheld(_reply(Stage.REQUEST, 0, ErrorBody(message=text)))


def _reply(stage: Stage, status: int, body: ErrorBody) -> ProviderReply:
    return ProviderReply(stage, status, _line(body.error)[:40], _line(body.message)[:MAX_TEXT_LENGTH])


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
