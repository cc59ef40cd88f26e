"""Making a message: a template filled in for a customer, in their language."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.campaign.content import InvalidContent, documents
from services.campaign.domain import links
from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.contact import Contact, as_name
from services.campaign.domain.coupon import Coupon, words
from services.campaign.domain.delivery import Message
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.domain.template.document import Template
from services.campaign.repository.messages import Due
from services.campaign.service import rendering
from services.campaign.service.rules import Rules
from shared.contracts.consent import TRANSACTIONAL
from shared.database.database import Work


class Composed(NamedTuple):
    """A message as its channel takes it, and the version of the template that it was made by."""

    handover: Message
    template_version: int


Templates = Mapping[str, tuple[int, Template]]


async def look(work: Work, rules: Rules, ids: Iterable[str]) -> Templates:
    """Returns the newest version of each of these templates; of one that nobody has published yet, the package's."""
    wanted = set(ids)
    found = await rules.template_cache.newest(work, wanted)
    here = documents()
    return {**{name: (0, here[name]) for name in wanted & here.keys()}, **found}


def compose(
    message: Due,
    rules: Rules,
    definition: MessageDefinition,
    contact: Contact,
    standing: Mapping[str, str],
    *,
    templates: Templates,
    coupon: Coupon | None,
    to: str,
    now: datetime,
) -> Composed:
    """Returns a message as its channel takes it.

    Raises `InvalidContent` if its template can't be filled in, or is more than the channel carries.
    """
    version, template = templates.get(definition.template, (0, None))
    if template is None:
        raise InvalidContent(f"there is no template {definition.template}")
    if not template.carries(definition.channel):
        raise InvalidContent(f"template {definition.template} has no text for {definition.channel}")
    url = _unsubscribe_url(message, rules, definition, contact, now)
    values = values_of(
        contact,
        standing,
        properties_of(message),
        unsubscribe=rules.unsubscribe,
        unsubscribe_url=url,
        preferences_url=_preferences_url(message, rules, contact, now),
    )
    values["coupon"] = words(coupon, contact.time_zone) if coupon else {}
    _, rendered = rendering.render(definition.template, template, contact.language, definition.channel, values)
    channel = CAPABILITIES[definition.channel]
    parts = {name: getattr(rendered, name) for name in channel.parts}
    if problem := channel.problem(parts):
        raise InvalidContent(f"template {definition.template}: {problem}")
    handover = Message(
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
    return Composed(handover, version)


def values_of(
    contact: Contact | None, standing: Mapping[str, str], event: Mapping[str, Any], **urls: str
) -> dict[str, Any]:
    """Returns what a template may use for a customer. Names are looked at again: old ones are as they came."""
    first_name = as_name(contact.first_name) if contact else ""
    customer = {"first_name": first_name, "name": "", "language": "", "country": "", "email": ""}
    if contact is not None:
        customer |= {
            "name": as_name(contact.name),
            "language": contact.language,
            "country": contact.country,
            "email": contact.email or "",
        }
    return {
        "first_name": first_name,
        "tier": "",
        "stage": "",
        **standing,
        "unsubscribe_url": "",
        "preferences_url": "",
        **urls,
        "event": event,
        "customer": customer,
    }


def properties_of(message: Due) -> dict[str, Any]:
    """Returns what came with a message: of a single one its properties, of a journey's the event that let her in."""
    text = message.properties or message.event
    found = msgspec.json.decode(text) if text else None
    return found if isinstance(found, dict) else {}


def _unsubscribe_url(message: Due, rules: Rules, definition: MessageDefinition, contact: Contact, now: datetime) -> str:
    if rules.links is None or definition.purpose == TRANSACTIONAL:
        return ""
    consent_to, language = str(definition.consent_to), contact.language
    return rules.links.url(links.unsubscribe(message.id, message.profile_id, consent_to, language, now))


def _preferences_url(message: Due, rules: Rules, contact: Contact, now: datetime) -> str:
    if rules.links is None:
        return ""
    return rules.links.url(links.preferences(message.id, message.profile_id, contact.language, now))
