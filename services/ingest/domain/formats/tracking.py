"""A message of the tracking API as its sender means it: which kind of call it is, and what it says."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue import customer_identified, page_viewed
from services.ingest.domain.catalogue.understanding import understood
from services.ingest.domain.definitions.consent import MaySay, Words, granted
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import identity, phone
from services.ingest.domain.values import message as messages
from services.ingest.domain.values.message import Context, ContextConsent, Message, as_dict, text
from shared.contracts import context as contract
from shared.contracts.consent import is_word, pair_of
from shared.contracts.events import Body, CustomerIdentified, CustomEvent
from shared.contracts.identity import Identity, Namespace

MAX_MESSAGE_ID_LENGTH: Final = 100  # characters


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is understood, before it is judged. A tracking plan judges `name` and `properties`.

    `merges`: the sender says that all whom the event names are one customer. `source_version` is the source's own
    count of changes to what the event is about, 0 if it keeps none. `address` is the mail address that it
    gives, in its normal form, if the source may say addresses. `unread_phone`: it gives a telephone number that should
    link the customer, and can't be read. `placeholders` are the namespaces of what it names that means nobody, and
    `warnings` of what it says and is left out.
    """

    name: str
    body: Body
    message_id: str
    identities: tuple[Identity, ...]
    properties: bytes
    timestamp: Any = None
    sent_at: Any = None
    context: contract.Context | None = None
    historical: bool | None = None
    merges: bool = False
    source_version: int = 0
    address: str = ""
    unread_phone: bool = False
    placeholders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Call(msgspec.Struct, frozen=True):
    """A message with what its surroundings add. `traits` are the customer's, in their normal form."""

    message: Message
    context: Context
    traits: dict[str, Any]
    message_id: str
    request_context: RequestContext


def understand(raw: bytes, request_context: RequestContext) -> Understood:
    """Returns what these bytes mean. Raises `BadEvent`, or what msgspec and arithmetic raise."""
    message = messages.parse(raw)
    kind = request_context.type or message.type or ""
    rule = RULES.get(kind)
    if rule is None:
        raise BadEvent(Reason.TYPE, f"type: must be one of {', '.join(RULES)}")
    event_context = request_context.event_context(bytes(message.context))
    context = event_context.sent
    traits = identity.of_customer(message, context, of_group=kind == "group", source_country=request_context.country)
    call = Call(message, context, traits, _message_id(message, request_context), request_context)
    name, body, properties, *warnings = rule(call)
    identities = _identities(call, kind)
    return Understood(
        name=name,
        body=body,
        message_id=call.message_id,
        identities=identities,
        properties=properties,
        timestamp=message.original_timestamp if message.timestamp is None else message.timestamp,
        sent_at=message.sent_at,
        context=event_context.known,
        historical=None if context.historical is None else context.historical is True,
        merges=kind == "alias",
        address=identity.email_in(traits) or "" if request_context.may_say else "",
        unread_phone=request_context.trusted and phone.is_unread(traits),
        placeholders=identity.placeholders(message, traits, identities, trusted=request_context.trusted),
        warnings=tuple(warnings),
    )


def _message_id(message: Message, request_context: RequestContext) -> str:
    found = text(message.message_id)
    if len(found) > MAX_MESSAGE_ID_LENGTH:
        raise BadEvent(Reason.MESSAGE_ID, f"messageId: longer than {MAX_MESSAGE_ID_LENGTH} characters")
    return found or request_context.new_message_id()


# For each kind of call: its name, its typed event, the properties that a plan judges, and warnings

Rule = Callable[[Call], tuple[str, Body, bytes, *tuple[str, ...]]]


def _track(call: Call) -> tuple[str, Body, bytes]:
    name = text(call.message.event)
    if not name:
        raise BadEvent(Reason.REQUIRED, "event: required; send the name of what happened")
    name, properties = call.request_context.renaming.apply(name, messages.properties(call.message))
    typed = understood(name, properties, call.message_id)
    body = CustomEvent(name=name, properties=messages.decode_object(properties)) if typed is None else typed
    return name, body, properties


def _identify(call: Call) -> tuple[str, Body, bytes, *tuple[str, ...]]:
    words, warnings = believed_words(call.request_context), []
    if words is None:
        body = CustomerIdentified(traits=call.traits)
    else:
        agreed, unread = _consent(call.context)
        body = customer_identified.identified(call.traits, agreed, words)
        warnings = [f"consent to {channel}: neither yes nor no" for channel in unread]
    return customer_identified.NAME, body, _judged_traits(call), *warnings


def believed_words(request_context: RequestContext) -> Words | None:
    """Returns the source's words of consent, if it is believed about consent."""
    believed = request_context.trusted or MaySay.CONSENT in request_context.may_say
    return request_context.consent_words if believed else None


def _viewed(call: Call, *, screen: bool = False) -> tuple[str, Body, bytes]:
    properties = messages.properties(call.message)
    return (
        page_viewed.NAME,
        page_viewed.viewed(call.message, properties, as_dict(call.context.page), screen=screen),
        properties,
    )


def _group(call: Call) -> tuple[str, Body, bytes]:
    group_id = text(call.message.group_id)
    if not group_id:
        raise BadEvent(Reason.REQUIRED, "groupId: required; send the group's own id")
    traits = as_dict(call.message.traits)
    body = CustomEvent(name="Group Identified", properties={"group_id": group_id, "traits": traits})
    return "Group", body, _judged_traits(call)


def _judged_traits(call: Call) -> bytes:
    return messages.traits(call.message) if call.request_context.plan else b"{}"


def _alias(_: Call) -> tuple[str, Body, bytes]:
    return "Alias", CustomEvent(name="Alias"), b"{}"


RULES: Final[Mapping[str, Rule]] = {
    "track": _track,
    "identify": _identify,
    "page": _viewed,
    "screen": partial(_viewed, screen=True),
    "group": _group,
    "alias": _alias,
}


def _consent(context: Context) -> tuple[dict[str, bool], list[str]]:
    """Returns what a call says of consent, by channel, and the channels of which it says what can't be read.

    Platforms say it in words. One that can't be read costs that consent alone, and not the customer.
    """
    if not isinstance(context.consent, ContextConsent) or not (stated := context.consent.category_preferences):
        return {}, []
    if not isinstance(stated, dict):
        return {}, ["any channel"]
    agreed = {channel: yes for channel, value in stated.items() if (yes := granted(value)) is not None}
    unread = [channel for channel in stated if channel not in agreed and stated[channel] is not None]
    return agreed, [channel if all(map(is_word, pair_of(channel))) else "another channel" for channel in unread]


def _identities(call: Call, kind: str) -> tuple[Identity, ...]:
    if kind != "alias":
        return identity.identities(call.message, call.traits, trusted=call.request_context.trusted)
    # The old name is the customer's from before they were known, or a former user id: profile finds out which.
    old = identity.named(Namespace.ANONYMOUS_ID, call.message.previous_id, at="previousId")
    new = identity.named(Namespace.USER_ID, call.message.user_id, at="userId")
    if old is None or new is None:
        raise BadEvent(
            Reason.IDENTITY,
            "identity: alias needs a userId and a previousId, and neither may mean nobody",
            identity.placeholders(call.message, {}, (), trusted=False),
        )
    return new, old
