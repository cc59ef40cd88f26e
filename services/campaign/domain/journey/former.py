"""Definitions of before there were nodes: one message, which the trigger sets off."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from services.campaign.domain.journey.definition import Journey, Name
from services.campaign.domain.journey.nodes.message import SendMessage
from services.campaign.domain.journey.triggers import StageReached, TierReached
from services.campaign.domain.message_definition import Cap, Positive, Purpose, Slug
from shared.contracts.events import MARKETING

STEP = "message"


class FormerJourney(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A definition as it was."""

    id: Slug
    version: Positive
    name: Name
    trigger: TierReached | StageReached
    max_age_hours: Annotated[int, Meta(ge=1)] = 24
    channel: str
    purpose: Purpose = MARKETING
    template: Slug
    cap: Cap


def journey_of(document: dict[str, Any]) -> Journey:
    """Returns the journey that a stored document defines, in whichever form. Raises `msgspec.ValidationError`."""
    if "nodes" in document:
        return msgspec.convert(document, Journey)
    former = msgspec.convert(document, FormerJourney)
    node = SendMessage(channel=former.channel, template=former.template, purpose=former.purpose)
    hours = former.max_age_hours
    return Journey(
        id=former.id,
        version=former.version,
        name=former.name,
        trigger=former.trigger,
        max_age=f"PT{hours}H" if hours % 24 else f"P{hours // 24}D",
        cap=former.cap,
        start=STEP,
        nodes={STEP: node},
    )
