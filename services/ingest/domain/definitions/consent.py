"""Consent as sources speak of it: what they are believed, and the traits that mean consent."""

from collections.abc import Mapping, Set
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from services.ingest.domain.errors import BadDefinition, BadEvent, Reason
from shared.contracts.consent import CHANNELS, WORD_RULE, Pair, is_word, pair_of
from shared.contracts.events import Body, ConsentChanged, CustomerIdentified

MAX_EVIDENCE_BYTES: Final = 4_000  # as JSON
MAX_WORDS: Final = 100  # of a source

GIVEN: Final = frozenset(
    {"true", "yes", "y", "1", "on", "t", "subscribed", "granted", "given", "accepted", "allowed", "agreed", "optedin"}
    | {"optin", "confirmed"}
)
WITHDRAWN: Final = frozenset(
    {"false", "no", "n", "0", "off", "f", "unsubscribed", "notsubscribed", "withdrawn", "revoked", "declined"}
    | {"rejected", "refused", "denied", "disallowed", "optedout", "optout"}
)


class MaySay(StrEnum):
    """What an operator lets a public source say beside behaviour. It counts once it is confirmed."""

    ADDRESSES = "addresses"
    CONSENT = "consent"


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trait says: consent `to` a channel, or `channel:purpose`; `inverted` if its yes means withdrawn."""

    to: str
    inverted: bool = False


def _usual() -> dict[str, str | Word]:
    given = {
        "email": (
            "email_opt_in email_optin email_consent email_subscribed email_marketing email_marketing_consent "
            "accepts_email accepts_email_marketing accepts_marketing buyer_accepts_marketing marketing_consent "
            "marketing_opt_in newsletter newsletter_opt_in newsletter_subscribed is_subscribed subscribed opt_in "
            "opted_in mailing_list"
        ),
        "sms": "sms_opt_in sms_optin sms_consent sms_subscribed sms_marketing sms_marketing_consent accepts_sms "
        "accepts_sms_marketing",
    }
    withdrawn = {
        "email": "unsubscribed email_opt_out email_optout email_unsubscribed opt_out opted_out do_not_email",
        "sms": "sms_opt_out sms_optout sms_unsubscribed do_not_text",
    }
    return {
        **{name: to for to, names in given.items() for name in names.split()},
        **{name: Word(to=to, inverted=True) for to, names in withdrawn.items() for name in names.split()},
    }


USUAL: Final[Mapping[str, str | Word]] = _usual()
Document = Literal["usual"] | dict[str, str | Word]


class Words:
    """The traits by which a source speaks of consent. Names are compared without regard to case, `_`, `-` and spaces.

    Raises `BadDefinition`, naming the place.
    """

    def __init__(self, document: Document) -> None:
        named = USUAL if isinstance(document, str) else document
        if len(named) > MAX_WORDS:
            raise BadDefinition(f"{len(named)} words; at most {MAX_WORDS}")
        self._words = {_plain(name): _checked(name, one) for name, one in named.items()}

    def __bool__(self) -> bool:
        return bool(self._words)

    def among(self, traits: Mapping[str, Any]) -> bool:
        """Returns whether any of these traits may speak of consent."""
        return any(_plain(name) in self._words for name in traits)

    def read(self, traits: Mapping[str, Any]) -> dict[str, bool]:
        """Returns what the traits say of consent, by channel and purpose. If two disagree, the withdrawal counts."""
        found: dict[str, bool] = {}
        for name, value in traits.items():
            word = self._words.get(_plain(name))
            if word is not None and (agreed := granted(value)) is not None:
                found[word.to] = found.get(word.to, True) and agreed is not word.inverted
        return found


NO_WORDS: Final = Words({})


def _checked(name: str, one: str | Word) -> Word:
    word = Word(to=one) if isinstance(one, str) else one
    pair = pair_of(word.to)
    if not is_word(pair.channel) or not is_word(pair.purpose):
        raise BadDefinition(f"{name}: {word.to!r}; send a channel, or channel:purpose, in {WORD_RULE}")
    return Word(to=str(pair), inverted=word.inverted)


def _plain(text: str) -> str:
    return text.lower().replace("_", "").replace("-", "").replace(" ", "")


def granted(value: Any) -> bool | None:
    """Returns what a value says of consent, in whichever words: yes or no; None if the value is neither."""
    if not isinstance(value, bool | int | str):
        return None
    text = _plain(str(value).strip())
    return True if text in GIVEN else False if text in WITHDRAWN else None


def checked(body: ConsentChanged) -> ConsentChanged:
    """Returns the body, if it can be kept. Raises `BadEvent`, naming the field."""
    for name in ("channel", "purpose"):
        if not is_word(word := getattr(body, name)):
            raise BadEvent(Reason.CONSENT, f"{name}: {word[:60]!r}; send {WORD_RULE}")
    if (size := len(msgspec.json.encode(body.evidence))) > MAX_EVIDENCE_BYTES:
        raise BadEvent(Reason.TOO_LARGE, f"evidence: {size} bytes; at most {MAX_EVIDENCE_BYTES}, send less in it")
    return body


def as_believed(body: Body, *, trusted: bool, may_say: Set[str], address: str) -> Body:
    """Returns the part of an event that is believed, if it may speak of consent.

    A server is believed. A public source is not, unless it may speak of consent: then with the address at which the
    visitor is to be asked, if it may name one.
    """
    if not isinstance(body, CustomerIdentified | ConsentChanged):
        return body
    if isinstance(body, ConsentChanged):
        checked(body)
    if trusted:
        return msgspec.structs.replace(body, confirm_at="") if body.confirm_at else body
    if MaySay.CONSENT not in may_say:
        if isinstance(body, CustomerIdentified):
            return msgspec.structs.replace(body, consent={}, confirm_at="")
        return msgspec.structs.replace(body, confirm_at="")
    ask_at = address if MaySay.ADDRESSES in may_say else ""
    if isinstance(body, ConsentChanged):
        return msgspec.structs.replace(body, confirm_at=ask_at if body.granted else "")
    known = {spelt: granted for spelt, granted in body.consent.items() if _is_public(pair_of(spelt))}
    return msgspec.structs.replace(body, consent=known, confirm_at=ask_at if any(known.values()) else "")


def is_believed(body: ConsentChanged, may_say: Set[str]) -> bool:
    """Returns whether a public source is believed at once: when it withdraws, if it may speak of consent at all."""
    return MaySay.CONSENT in may_say and not body.granted


def _is_public(pair: Pair) -> bool:
    return pair.channel in CHANNELS and is_word(pair.purpose)
