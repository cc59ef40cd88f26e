"""Messages that a request asks for one by one, and what became of any message."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.campaign.domain.journey.problems import Problem, nearest
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.repository import decisions as decision_rows
from services.campaign.repository import messages as repository
from services.campaign.repository.decisions import StoredDecision
from services.campaign.repository.messages import DetailedMessage, NewSingle
from services.campaign.service import composing, known
from services.campaign.service.definitions import SINGLE
from services.campaign.service.rules import Rules
from shared.database import aliases
from shared.database.database import Work
from shared.database.rows import Json
from shared.errors import Invalid, NotFound

MAX_PROPERTIES_BYTES: Final = 16 * 1024  # as JSON


class UnknownMessage(NotFound):
    """There is no such message."""


class InvalidMessage(Invalid):
    """The message can't be sent as it is asked for."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.at}: {one.message}" for one in found))
        self.errors = [{"at": one.at, "message": one.message} for one in found]


class MessageRequest(NamedTuple):
    """A message that is asked for."""

    profile_id: UUID
    template: str
    channel: str
    purpose: str
    properties: Mapping[str, Any]

    @property
    def definition(self) -> MessageDefinition:
        """By what it is sent."""
        return MessageDefinition(
            id=SINGLE, version=1, channel=self.channel, purpose=self.purpose, template=self.template
        )


class Traced(NamedTuple):
    """A message, and what was decided on whatever set it off, the newest first."""

    message: DetailedMessage
    decisions: Sequence[StoredDecision]


async def send(work: Work, rules: Rules, asked: MessageRequest) -> UUID:
    """Adds a message, which leaves through the gate at once. Returns its id. Raises `InvalidMessage`."""
    properties = msgspec.json.encode(asked.properties)
    if wrong := [*await _problems(work, rules, asked, size=len(properties))]:
        raise InvalidMessage(wrong)
    definition = msgspec.json.encode(asked.definition).decode()
    new = NewSingle(
        id=uuid7(), profile_id=asked.profile_id, definition=Json(definition), properties=Json(properties.decode())
    )
    await repository.insert_single(work, new, kind=SINGLE)
    work.wakes = True
    return new.id


async def one(work: Work, message_id: UUID) -> Traced:
    """Returns any message, with the decisions about it. Raises `UnknownMessage`."""
    message = await repository.one(work, message_id)
    if message is None:
        raise UnknownMessage(f"message {message_id}")
    names = await aliases.names(work, message.profile_id)
    return Traced(message, await decision_rows.of_trigger(work, names, message.journey_id, message.trigger_id))


async def _problems(work: Work, rules: Rules, asked: MessageRequest, *, size: int) -> Sequence[Problem]:
    if size > MAX_PROPERTIES_BYTES:
        return [Problem("/properties", f"must be at most {MAX_PROPERTIES_BYTES} bytes of JSON, and is {size}")]
    found = await known.look(work, rules.channels)
    if asked.channel not in found.channels:
        channels = ", ".join(sorted(found.channels))
        return [Problem("/channel", f"there is no channel {asked.channel}; the channels are {channels}")]
    template = (await composing.look(work, rules, [asked.template])).get(asked.template)
    if template is None:
        close = nearest(asked.template, found.templates)
        return [Problem("/template", f"no template {asked.template} is published{close}")]
    if not template[1].carries(asked.channel):
        return [Problem("/template", f"template {asked.template} has no text for the channel {asked.channel}")]
    return []
