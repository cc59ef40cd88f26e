"""Making a message: a template filled in for a customer, in their language."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from services.campaign.content import InvalidContent
from services.campaign.domain import links
from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.contact import Contact, as_name
from services.campaign.domain.delivery import Message
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.repository.messages import Due
from services.campaign.service.rules import Rules
from shared.contracts.consent import TRANSACTIONAL


def compose(
    message: Due,
    rules: Rules,
    definition: MessageDefinition,
    contact: Contact,
    standing: Mapping[str, str],
    *,
    to: str,
    now: datetime,
) -> Message:
    """Returns a message as its channel takes it.

    Raises `InvalidContent` if its template can't be filled in, or is more than the channel carries.
    """
    url = _unsubscribe_url(message, rules, definition, contact, now)
    # Names are looked at again: contacts of before were kept as they came.
    values = {
        "first_name": as_name(contact.first_name),
        "unsubscribe": rules.unsubscribe,
        "unsubscribe_url": url,
        **standing,
    }
    filled = rules.templates.render(definition.template, contact.language, values)
    channel = CAPABILITIES[definition.channel]
    parts = {name: part for name, part in msgspec.structs.asdict(filled).items() if name in channel.parts}
    if problem := channel.problem(parts):
        raise InvalidContent(f"template {definition.template}: {problem}")
    return Message(
        id=message.id,
        to=to,
        parts=parts,
        at=now,
        headers={
            "X-Rapport-Profile": str(message.profile_id),
            "X-Rapport-Journey": message.journey_id,
            "X-Rapport-Trigger": message.trigger_id,
        },
        unsubscribe_url=url,
        transactional=definition.purpose == TRANSACTIONAL,
    )


def _unsubscribe_url(message: Due, rules: Rules, definition: MessageDefinition, contact: Contact, now: datetime) -> str:
    if rules.links is None or definition.purpose == TRANSACTIONAL:
        return ""
    consent_to, language = str(definition.consent_to), contact.language
    return rules.links.url(links.unsubscribe(message.id, message.profile_id, consent_to, language, now))
