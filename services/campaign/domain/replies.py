"""What a provider's reply is about: our account or its server, the address, this message, or only this moment.

Read by stage of the SMTP dialogue, reply code (RFC 5321, section 4.2), enhanced status (RFC 3463 and the IANA registry
that continues it) and, where those leave it open, by words. The table and its sources: docs/decisions/0047.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from services.campaign.domain import reply_words as words

MAX_TEXT_LENGTH: Final = 300  # characters of a reply that are kept


class Stage(StrEnum):
    """Where in the dialogue a reply came, in order: of SMTP, then the two of a provider over HTTP."""

    CONNECT = "connect"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    END_OF_DATA = "end of data"
    REQUEST = "HTTP request"  # refused before the message mattered: `http_replies`
    MESSAGE = "HTTP message"


STAGES: Final = tuple(Stage)
SMTP_STAGES: Final = STAGES[: STAGES.index(Stage.REQUEST)]


class About(StrEnum):
    """The four classes. What follows from each stands in `domain/delivery.py`."""

    ACCOUNT = "account"
    ADDRESS = "address"
    MESSAGE = "message"
    LATER = "later"


class ProviderReply(msgspec.Struct, frozen=True):
    """One reply. `status` is the enhanced status of SMTP, such as 5.7.1, a provider's own word for the error, or empty.

    `code` is 0 if a step failed on our side and the server gave no reply: its certificate is invalid, it knows no
    STARTTLS.
    """

    stage: Stage
    code: int
    status: str
    text: str

    def __str__(self) -> str:
        numbers = " ".join(filter(None, [str(self.code) if self.code else "", self.status]))
        return f"{numbers} at {self.stage}: {self.text}".strip()

    @property
    def about(self) -> About:
        """What it is about."""
        return about(self.stage, self.code, self.status, self.text)

    @property
    def counts(self) -> bool:
        """Whether a reply for now is a try of its message, and not one of our account or the server as a whole."""
        early = STAGES.index(self.stage) < STAGES.index(Stage.RCPT)
        return not (early or self.status == _OUR_QUOTA_FOR_NOW or words.OF_US.search(self.text.casefold()))


_OUR_QUOTA_FOR_NOW: Final = "4.4.5"
_STATUS: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_AT_START: Final = re.compile(rf"\s*{_STATUS.pattern}[\s:-]*")
_MARKED: Final = re.compile(rf"#\s?{_STATUS.pattern}")  # `(#5.1.1)`, as qmail writes it


def read(stage: Stage, code: int, message: str) -> ProviderReply:
    """Returns a reply from its code and the text after it; a status that each line repeats is taken out of the text."""
    found = _AT_START.match(message) or _MARKED.search(message)
    status = ".".join(str(int(part)) for part in found.groups()) if found else ""
    lines = (line[start.end() :] if (start := _AT_START.match(line)) else line for line in message.splitlines())
    text = " ".join("".join(c if c.isprintable() else " " for c in " ".join(lines)).split())
    return ProviderReply(stage, code, status, text[:MAX_TEXT_LENGTH])


def about(stage: Stage, code: int, status: str, text: str) -> About:
    """Returns what a negative reply is about. Total: whatever is not known to be for good may come later.

    Only a reply with a code and a status for good, to RCPT TO or later, can be about the address. In doubt between
    our account and the message a refusal before RCPT TO is about our account, because nothing in it can depend on the
    message but its size and its encoding; one after it is about the message, unless its status or its words say more.
    """
    if code == 0:
        return About.ACCOUNT
    if not 500 <= code <= 599 or status.startswith("4."):
        return About.LATER
    subject, detail = _parts(status)
    lowered = text.casefold()
    place = STAGES.index(stage)
    if place < STAGES.index(Stage.MAIL) or code in _OF_OUR_LOGIN or code == _NO_MAIL_HERE:
        return About.ACCOUNT
    if _of_this_message(code, subject, detail, lowered):
        return About.MESSAGE
    if stage is Stage.MAIL:
        return About.ACCOUNT
    if subject in (None, 2) and words.MAILBOX_FULL.search(lowered):
        return About.MESSAGE
    if (subject, detail) in _BY_STATUS:
        return _BY_STATUS[subject, detail]
    if subject == _SECURITY:
        return _of_policy(stage, detail, lowered)
    if subject is None and code in _BY_CODE:
        return _BY_CODE[code]
    if words.OF_US.search(lowered):
        return About.ACCOUNT
    if words.OF_ADDRESS.search(lowered):
        return About.ADDRESS
    if words.MAYBE_OF_US.search(lowered):
        return About.ACCOUNT
    return About.ADDRESS if subject == _ADDRESSING and stage is Stage.RCPT else About.MESSAGE


_OF_OUR_LOGIN: Final = frozenset({530, 534, 535, 538})  # RFC 4954, section 6
_TOO_MUCH: Final = 552  # "exceeded storage allocation": too large, or a mailbox that is full
_NO_MAIL_HERE: Final = 521  # RFC 7504: the server takes no mail at all
_TOO_LARGE: Final = frozenset({(2, 3), (3, 4), (7, 16)})
_ADDRESSING: Final = 1
_CONTENT: Final = 6
_SECURITY: Final = 7

# Without a status: moved, and a domain that takes no mail. RFC 5321, section 3.4; RFC 7504.
_BY_CODE: Final = {551: About.ADDRESS, 556: About.ADDRESS}
_BY_STATUS: Final[dict[tuple[int | None, int], About]] = {
    (1, 1): About.ADDRESS,  # no such mailbox
    (1, 2): About.ADDRESS,  # no such domain
    (1, 3): About.ADDRESS,  # not an address
    (1, 4): About.ADDRESS,  # ambiguous
    (1, 5): About.MESSAGE,  # a valid address, so something else
    (1, 6): About.ADDRESS,  # moved, no forwarding
    (1, 7): About.ACCOUNT,  # our address as the sender
    (1, 8): About.ACCOUNT,  # our domain as the sender's
    (1, 9): About.MESSAGE,
    (1, 10): About.ADDRESS,  # the domain takes no mail: RFC 7505
    (2, 1): About.ADDRESS,  # disabled
    (2, 2): About.MESSAGE,  # full, which passes
    (2, 4): About.MESSAGE,
    (3, 2): About.ACCOUNT,  # the server takes no mail now
    (3, 5): About.ACCOUNT,  # the server is misconfigured
    (4, 4): About.ADDRESS,  # no route: the domain has no server
    (4, 5): About.ACCOUNT,  # congestion; a used up quota with some providers
    (4, 6): About.MESSAGE,  # a loop
    (7, 2): About.MESSAGE,  # a list that takes no mail of ours
    (7, 17): About.ADDRESS,  # the mailbox has another owner: RFC 7293
    (7, 18): About.ADDRESS,  # the domain has another owner
    (7, 19): About.MESSAGE,
    (7, 29): About.MESSAGE,  # a broken ARC chain
    (7, 30): About.MESSAGE,  # REQUIRETLS can't be kept
}


def _parts(status: str) -> tuple[int | None, int]:
    """Subject and detail of an enhanced status. A status that says nothing (5.0.0) counts as none."""
    found = _STATUS.fullmatch(status)
    if found is None or found[2] == "0":
        return None, 0
    return int(found[2]), int(found[3])


def _of_this_message(code: int, subject: int | None, detail: int, text: str) -> bool:
    """Whether it speaks of the size, the encoding or the content."""
    if subject == _CONTENT or (subject, detail) in _TOO_LARGE:
        return True
    if subject in (None, 2, 3) and words.TOO_LARGE.search(text):
        return True
    return code == _TOO_MUCH and subject is None and not words.OF_US.search(text) and not words.MAYBE_OF_US.search(text)


def _of_policy(stage: Stage, detail: int, text: str) -> About:
    """Of X.7: who we are, unless a word or the stage says that it is the content, or that single recipient's choice."""
    if detail not in (0, 1):
        return About.ACCOUNT
    if words.OF_US.search(text):
        return About.ACCOUNT
    if words.NOBODY.search(text):
        return About.ADDRESS
    if stage is Stage.RCPT:
        return About.MESSAGE if words.OF_RECIPIENTS_CHOICE.search(text) else About.ACCOUNT
    return About.ACCOUNT if words.MAYBE_OF_US.search(text) else About.MESSAGE


class Trouble(StrEnum):
    """What is wrong with our account or the server, as far as a reply tells."""

    LOGIN = "login"
    TLS = "tls"
    LIMIT = "limit"
    RELAY = "relay"
    SENDER = "sender"
    BLOCKED = "blocked"
    OTHER = "other"


ADVICE: Final = {
    Trouble.LOGIN: "Check SMTP_USERNAME and SMTP_PASSWORD, and whether the provider has suspended the account.",
    Trouble.TLS: "Check SMTP_TLS, SMTP_PORT and SMTP_CA_FILE: the provider wants TLS, or its certificate is invalid.",
    Trouble.LIMIT: "The account's quota or rate is used up: wait until it is renewed, or ask the provider for more.",
    Trouble.RELAY: "The provider does not take mail from here for other domains: check SMTP_USERNAME, and whether the "
    "provider knows this server's address.",
    Trouble.SENDER: "The provider does not let this account send as MAIL_FROM: have the sender and its domain verified "
    "(SPF, DKIM, DMARC), or change MAIL_FROM.",
    Trouble.BLOCKED: "Our address or our domain is on a block list, or the account is suspended: read the reply, and "
    "ask the provider or the list to take it off.",
    Trouble.OTHER: "Read the reply, and ask the provider.",
}
HTTP_ADVICE: Final = {
    Trouble.LOGIN: "Check the token or secret of this channel, and whether the provider has suspended the account.",
    Trouble.TLS: "The certificate of the channel's URL is invalid or of another host: check the URL.",
    Trouble.LIMIT: "The account's credit is used up: top it up, or ask the provider.",
    Trouble.OTHER: "Check the URL of this channel, read the reply, and ask whoever runs it.",
}
_NO_TLS: Final = frozenset({"5.7.10", "5.7.11"})
_BAD_LOGIN: Final = frozenset({"5.7.3", "5.7.8", "5.7.9", "5.7.13", "5.7.14"})
_BAD_SENDER: Final = frozenset({"5.1.7", "5.1.8", *(f"5.7.{detail}" for detail in range(20, 28))})


_HTTP_TROUBLES: Final = {0: Trouble.TLS, 401: Trouble.LOGIN, 403: Trouble.LOGIN, 402: Trouble.LIMIT}


def trouble(reply: ProviderReply) -> Trouble:
    """Returns what is wrong, from a reply that is about our account."""
    if reply.stage in (Stage.REQUEST, Stage.MESSAGE):
        return _HTTP_TROUBLES.get(reply.code, Trouble.OTHER)
    text = reply.text.casefold()
    if reply.stage is Stage.STARTTLS or reply.status in _NO_TLS or words.TLS.search(text):
        return Trouble.TLS
    if reply.stage is Stage.AUTH or reply.code in _OF_OUR_LOGIN or reply.status in _BAD_LOGIN:
        return Trouble.LOGIN
    if reply.status in ("5.4.5", "5.7.28") or words.LIMIT.search(text):
        return Trouble.LIMIT
    if words.RELAY.search(text):
        return Trouble.RELAY
    if words.LISTED.search(text) or words.SUSPENDED.search(text):
        return Trouble.BLOCKED
    if reply.status in _BAD_SENDER or words.SENDER.search(text):
        return Trouble.SENDER
    if words.LOGIN.search(text):
        return Trouble.LOGIN
    blocked = reply.stage in (Stage.CONNECT, Stage.EHLO) or words.MAYBE_OF_US.search(text)
    return Trouble.BLOCKED if blocked else Trouble.OTHER
