"""Making a message: a template filled in for a customer, in their language."""

from collections.abc import Mapping
from datetime import datetime

from services.campaign.domain import links
from services.campaign.domain.contact import Contact, as_name
from services.campaign.domain.delivery import Mail
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
) -> Mail:
    """Returns the mail of a message. Raises `InvalidContent` if its template can't be filled in."""
    url = _unsubscribe_url(message, rules, definition, contact, now)
    # Names are looked at again: contacts of before were kept as they came.
    values = {
        "first_name": as_name(contact.first_name),
        "unsubscribe": rules.unsubscribe,
        "unsubscribe_url": url,
        **standing,
    }
    filled = rules.templates.render(definition.template, contact.language, values)
    return Mail(
        message_id=message.id,
        to=to,
        subject=filled.subject,
        text=filled.text,
        html=filled.html,
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
