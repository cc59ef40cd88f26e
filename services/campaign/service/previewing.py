"""What a template would say: to a customer, through the gate, and to somebody of the staff, by mail."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.campaign.content import InvalidContent
from services.campaign.domain.delivery import Message
from services.campaign.domain.gate import PROFILE_PATIENCE, Held, Refused
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.domain.template.document import Template
from services.campaign.repository import contacts, journeys
from services.campaign.repository.messages import Due
from services.campaign.service import composing, rendering, send_cutoff, sending, templates
from services.campaign.service.definitions import SINGLE
from services.campaign.service.rules import Rules
from services.campaign.service.templates import InvalidTemplate
from shared import audit
from shared.audit import Actor
from shared.contracts.consent import TRANSACTIONAL
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Conflict

TEST: Final = "[test] "
SAMPLE: Final = {"tier": "gold", "stage": "loyal"}
NO_LINK: Final = "https://shop.example/preview"  # no link of a preview or test changes anything


class SendingStopped(Conflict):
    """All sending is stopped."""


class Preview(NamedTuple):
    """What a customer would get, and whether it would leave now; if not, `reason` is the gate's."""

    version: int
    would_leave: bool
    reason: str
    shown: rendering.FilledIn


async def preview(
    work: Work,
    rules: Rules,
    template_id: str,
    profile_id: UUID,
    definition: MessageDefinition,
    event: Mapping[str, Any],
) -> Preview:
    """Returns what a template as it is being written would say to a customer. Nothing is sent, nor written down.

    Raises `UnknownTemplate`, or `InvalidTemplate` if it has no text for the channel or can't be filled in.
    """
    found = await templates.one(work, template_id)
    template = _for_channel(found.document, definition.channel)
    version = found.published.version if found.published else 0
    message = _imagined(work, profile_id, definition, event)
    verdict = await sending.judge(work, rules, message, {template_id: (version, template)})
    customer = (await aliases.canonical(work, [profile_id]))[profile_id]
    contact = (await contacts.lock_contacts(work, [customer])).get(customer)
    standings = await contacts.standings(work, [customer])
    values = composing.values_of(
        contact,
        {kind: standings.get((customer, kind), (0, ""))[1] for kind in SAMPLE},
        event,
        unsubscribe=rules.unsubscribe,
        unsubscribe_url=NO_LINK if definition.purpose != TRANSACTIONAL else "",
        preferences_url=NO_LINK,
    )
    shown = _shown(template_id, template, contact.language if contact else "", definition.channel, values)
    refused = isinstance(verdict, Held | Refused)
    return Preview(version, not refused, verdict.reason if isinstance(verdict, Held | Refused) else "", shown)


async def prepare_test(
    work: Work, rules: Rules, template_id: str, to: str, language: str, event: Mapping[str, Any], *, by: Actor
) -> tuple[Message, rendering.FilledIn]:
    """Returns the mail of a test, to be handed over once this is committed, and what of it is missing.

    It goes to one address, past consent and caps: whoever has it asked for it. Raises `SendingStopped`,
    `UnknownTemplate` or `InvalidTemplate`.
    """
    ledger = await send_cutoff.look(work)
    if ledger.awaiting_since is not None or await journeys.stopped(work) is not None:
        raise SendingStopped("let messages leave again before a test is sent")
    template = _for_channel((await templates.one(work, template_id)).document, "email")
    values = composing.values_of(
        None, SAMPLE, event, unsubscribe=rules.unsubscribe, unsubscribe_url=NO_LINK, preferences_url=NO_LINK
    )
    values |= {"first_name": "Ann", "customer": {**values["customer"], "first_name": "Ann", "name": "Ann Example"}}
    shown = _shown(template_id, template, language, "email", values)
    mail = Message(
        id=uuid7(),
        to=to,
        parts={
            "subject": TEST + shown.rendered.subject,
            "text": shown.rendered.text,
            "html": shown.rendered.html,
        },
        at=work.now,
        headers={"X-Rapport-Template": template_id},
        transactional=True,
    )
    await audit.record(work, by, "template.test_sent", "template", template_id)
    return mail, shown


def _for_channel(document: Mapping[str, Any], channel: str) -> Template:
    template, _ = templates.checked(document)
    if not template.carries(channel):
        raise InvalidTemplate([Problem("/languages", f"the template has no text for the channel {channel}")])
    return template


def _shown(
    template_id: str, template: Template, language: str, channel: str, values: rendering.Values
) -> rendering.FilledIn:
    try:
        return rendering.show(template_id, template, language, channel, values)
    except InvalidContent as error:
        raise InvalidTemplate([Problem("/languages", str(error))]) from error


def _imagined(work: Work, profile_id: UUID, definition: MessageDefinition, event: Mapping[str, Any]) -> Due:
    """A message that is in no table. What its customer lacks was waited for already."""
    message_id = uuid7()
    return Due(
        id=message_id,
        journey_id=SINGLE,
        journey_version=1,
        profile_id=profile_id,
        trigger_id=str(message_id),
        reached="",
        attempts=0,
        created_at=work.now - PROFILE_PATIENCE - timedelta(seconds=1),
        cause_occurred_at=work.now,
        cause_received_at=work.now,
        by_time=False,
        depth=0,
        traceparent=None,
        run_id=None,
        step="",
        visit=0,
        kind=SINGLE,
        definition=msgspec.json.encode(definition).decode(),
        properties=msgspec.json.encode(event).decode(),
    )
