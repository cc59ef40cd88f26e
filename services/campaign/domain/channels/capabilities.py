"""What a channel can do, and what it asks for."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from services.campaign.domain.contact import Contact
from shared.contracts.consent import Pair


class AddressKind(StrEnum):
    """What a message of a channel is addressed to."""

    EMAIL = "email"
    PHONE = "phone"
    PROFILE = "profile"  # the customer, by id: whoever delivers knows how
    URL = "url"  # the company's own endpoint, which is told the customer's id


class ConsentRule(StrEnum):
    """When a customer counts as having agreed to messages that are not transactional."""

    OPT_IN = "opt-in"  # the customer agreed to this channel and purpose
    OPT_OUT = "opt-out"  # the customer did not withdraw from it


class Feedback(StrEnum):
    """What comes back about a message after its provider accepted it."""

    DELIVERIES = "deliveries"
    OPENS = "opens"
    CLICKS = "clicks"
    REPLIES = "replies"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """One channel. `parts` are those of a template that it carries; `max_length` bounds them, in characters.

    `consent_channel` is the channel by whose name consent is stated. `may_lose`: after silence nobody can tell whether
    a message was taken, and it is not handed over again; else its receiver knows a message by its id, and it is.
    """

    name: str
    address: AddressKind
    parts: tuple[str, ...]
    max_length: Mapping[str, int] = {}
    consent_channel: str
    consent: ConsentRule = ConsentRule.OPT_IN
    feedback: frozenset[Feedback] = frozenset()
    may_lose: bool = True

    def problem(self, parts: Mapping[str, str]) -> str:
        """Returns what keeps the channel from carrying these parts; an empty text if nothing does."""
        for part in self.parts:
            if part not in parts:
                return f"{part}: {self.name} needs it, and there is none"
            length, most = len(parts[part]), self.max_length.get(part)
            if most is not None and length > most:
                return f"{part}: {length} characters; {self.name} takes {most} at most"
        return ""


def address(contact: Contact, capabilities: Capabilities) -> str | None:
    """Returns where a channel reaches the customer; None if nobody knows."""
    match capabilities.address:
        case AddressKind.EMAIL:
            return contact.email
        case AddressKind.PHONE:
            return contact.phone
        case AddressKind.PROFILE | AddressKind.URL:
            return str(contact.profile_id)


def agreed(contact: Contact, purpose: str, capabilities: Capabilities) -> bool | None:
    """Returns whether the customer agreed to this purpose by this channel; None if that was never stated and must be.

    Some messages need no consent.
    """
    stated = contact.agreed(Pair(capabilities.consent_channel, purpose))
    return True if stated is None and capabilities.consent is ConsentRule.OPT_OUT else stated
