"""Every channel's capabilities. Its adapter, which does the I/O, is in `channels/<channel>/`."""

from collections.abc import Mapping
from typing import Final

from services.campaign.domain.channels import capabilities
from services.campaign.domain.channels.capabilities import AddressKind, Capabilities, ConsentRule, Feedback
from services.campaign.domain.contact import Contact

EMAIL: Final = Capabilities(
    name="email",
    address=AddressKind.EMAIL,
    parts=("subject", "text", "html"),
    consent_channel="email",
)
SMS: Final = Capabilities(
    name="sms",
    address=AddressKind.PHONE,
    parts=("sms",),
    max_length={"sms": 1_600},  # characters: 11 segments in the letters of GSM 03.38, 24 in others
    consent_channel="sms",
)
INBOX: Final = Capabilities(
    name="inbox",
    address=AddressKind.PROFILE,
    parts=("subject", "text"),
    max_length={"subject": 200, "text": 10_000},
    consent_channel="inbox",
    consent=ConsentRule.OPT_OUT,
    feedback=frozenset({Feedback.OPENS}),
    may_lose=False,
)
WEBHOOK: Final = Capabilities(
    name="webhook",
    address=AddressKind.URL,
    parts=("subject", "text", "html"),
    consent_channel="webhook",
    consent=ConsentRule.OPT_OUT,
    may_lose=False,
)

CAPABILITIES: Final[Mapping[str, Capabilities]] = {one.name: one for one in (EMAIL, SMS, INBOX, WEBHOOK)}


def address_of(contact: Contact, channel: str) -> str | None:
    """Returns where the channel of this name reaches the customer; None if nobody knows; or no such channel."""
    known = CAPABILITIES.get(channel)
    return capabilities.address(contact, known) if known else None


def agreed_to(contact: Contact, channel: str, purpose: str) -> bool | None:
    """Returns whether the customer agreed to this purpose by this channel; None if that was never stated and must be.

    Some messages need no consent. To a channel that there is not, nobody agreed.
    """
    known = CAPABILITIES.get(channel)
    return capabilities.agreed(contact, purpose, known) if known else None
