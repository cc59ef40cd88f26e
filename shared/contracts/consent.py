"""Consent: to a channel and a purpose, granted or withdrawn.

A pair is spelt `channel` where its purpose is marketing, and `channel:purpose` otherwise. So consent by channel
alone, from before there were purposes, means marketing wherever it is kept.
"""

import re
from typing import Final, NamedTuple

from shared.contracts.events import MARKETING

TRANSACTIONAL: Final = "transactional"  # what a customer has asked for: it needs no consent

MAX_WORD_LENGTH: Final = 40  # characters of a channel, and of a purpose
WORD_RULE: Final = f"small letters, digits, - and _, at most {MAX_WORD_LENGTH} characters"

# Channels that a public source may speak of: with these a visitor can name few pairs, whatever is sent.
CHANNELS: Final = ("email", "sms", "push", "phone", "post", "whatsapp", "wechat")

_WORD: Final = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{MAX_WORD_LENGTH - 1}}}")


class Pair(NamedTuple):
    """What consent is to."""

    channel: str
    purpose: str = MARKETING

    def __str__(self) -> str:
        return self.channel if self.purpose == MARKETING else f"{self.channel}:{self.purpose}"


def pair_of(spelt: str) -> Pair:
    """Returns the pair with this spelling; without a purpose it is marketing."""
    channel, _, purpose = spelt.partition(":")
    return Pair(channel, purpose or MARKETING)


def is_word(text: str) -> bool:
    """Returns whether a text may be a channel or a purpose: WORD_RULE."""
    return _WORD.fullmatch(text) is not None
