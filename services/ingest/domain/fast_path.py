"""Plain messages, in which nothing has to be put right, become records of the bus in a few steps.

The general rules look at every part of a message as if it might be missing, misspelt or of another type. Most messages
say everything as the contract has it: ids and names are texts, properties are of the types that their event expects,
nothing stands where something else should. These are read here, for a third of the work.

Law: for any bytes, `Plain.read` returns None, or the record that `judge` and `wire.encode` make of them. What is in
doubt is left to those two, so that every refusal, and its reason, is theirs.
"""

from collections.abc import Callable, Container
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue import customer_identified, page_viewed
from services.ingest.domain.catalogue.customer_identified import fast_traits
from services.ingest.domain.catalogue.entry import Fields
from services.ingest.domain.catalogue.fast_parts import custom
from services.ingest.domain.catalogue.page_viewed import OpenPage, fast_viewed
from services.ingest.domain.catalogue.registry import FAST_RULES
from services.ingest.domain.definitions.plan import Mode, Violation
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats.tracking import MAX_MESSAGE_ID_LENGTH
from services.ingest.domain.judge import INVALID_DATA, MAX_NAME_LENGTH
from services.ingest.domain.request.body import MAX_BATCH_EVENTS
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import identity, times
from services.ingest.domain.values.context import short
from services.ingest.domain.values.message import Sent, as_dict
from shared.contracts import topics, wire
from shared.contracts.envelope import may_say
from shared.contracts.events import Body, CustomerIdentified
from shared.contracts.identity import MAX_VALUE_LENGTH, Identity, Namespace, partition_key
from shared.contracts.keepable import LONG_BYTES, MAX_DEPTH, check, may_hold_long

REMEMBERED_CUSTOMERS: Final = 8_192  # in 6 MB: those of whom events speak one after the other are mostly few
REMEMBERED_SECRETS: Final = 4  # a process has one

_MICROSECONDS: Final = tuple(timedelta(microseconds=place) for place in range(MAX_BATCH_EVENTS))

# As numbers: looking for one of them in bytes costs a sixth of what looking for bytes of length 1 does.
_BRACKET: Final = ord("[")
_BACKSLASH: Final = ord("\\")

# Given whatever came: if that is not a text, they raise TypeError.
_text: Final[Any] = str.strip
_parse_time: Final[Any] = datetime.fromisoformat


class _Message(Sent, frozen=True, kw_only=True):
    """One event, before it is understood, with its properties as an object, which they have to be here."""

    properties: Fields = {}


_decode: Final = msgspec.json.Decoder(_Message).decode


class Ready(wire.Message, frozen=True, gc=False):
    """A record for the bus, with the text of its event's id, and what the source's plan has against the event."""

    event_id: bytes = b""
    violation: Violation | None = None


class KnownCustomer(msgspec.Struct, frozen=True, gc=False):
    """Whom an event names by its two ids, the key of the stronger one, and all as it is written."""

    user: tuple[Identity, ...]  # one or none
    anonymous: tuple[Identity, ...]  # one or none
    written: msgspec.Raw
    key: bytes


class Surroundings(msgspec.Struct, frozen=True):
    """The context that an event was sent with: as it is written, and what else follows from it."""

    written: msgspec.Raw | None
    page: OpenPage
    historical: bool
    consents: bool


# The name and the properties that a plan judges, the typed event, and whom it is about.
Meaning = tuple[str, Fields, Body, tuple[Identity, ...] | msgspec.Raw]


def _meaning(
    kind: str | None,
    message: _Message,
    customer: KnownCustomer,
    surroundings: Surroundings,
    request_context: RequestContext,
) -> Meaning | None:
    if kind == "identify":
        return _identify(message, customer, surroundings, request_context)
    if message.traits:  # they say more of whom it is about
        return None
    properties = message.properties
    body: Body | None
    if kind == "track":
        name = _text(message.event)
        make = FAST_RULES.get(name.lower(), custom)
        if make is None or not 0 < len(name) <= MAX_NAME_LENGTH:
            return None
        body = make(name, properties)
        return None if body is None else (name, properties, body, customer.written)
    if kind == "page" or kind == "screen":
        body = fast_viewed(message, properties, surroundings.page, screen=kind == "screen")
        return page_viewed.NAME, properties, body, customer.written
    return None


def _identify(
    message: _Message, customer: KnownCustomer, surroundings: Surroundings, request_context: RequestContext
) -> Meaning | None:
    if type(message.traits) is not dict or surroundings.consents:
        return None
    if request_context.consent_words and request_context.consent_words.among(message.traits):
        return None
    found = fast_traits(message.traits)
    if found is None:
        return None
    traits, address = found
    identities: tuple[Identity, ...] | msgspec.Raw = customer.written
    if address is not None and request_context.trusted:
        if not customer.user:  # the address is the stronger one
            return None
        identities = (*customer.user, Identity(Namespace.EMAIL, address), *customer.anonymous)
    return customer_identified.NAME, message.traits, CustomerIdentified(traits=traits), identities


Read = Callable[[bytes, int], Ready | None]


def reader(request_context: RequestContext, *, partition_secret: bytes, enough: Container[str] | None = None) -> Read:
    """Returns the reader of the plain messages of one request. It is given the bytes of each message, and its place in
    the request, below `MAX_BATCH_EVENTS`.

    The reader returns the record that these bytes are, or None if anything about them is not plain. `enough` has
    the names of events that nobody wants to see as they came; without it nobody ever wants to.
    """
    if request_context.renaming:
        return _nothing
    customers = _customers(partition_secret, request_context.user_ids)
    known, remember = customers.known, customers.remember
    surroundings_reader = _SurroundingsReader(request_context)
    known_surroundings = surroundings_reader.known
    max_event_bytes, type_, plan, trusted = (
        request_context.max_event_bytes,
        request_context.type,
        request_context.plan,
        request_context.trusted,
    )
    request_received_at, request_sent_at, make_id = (
        request_context.received_at,
        request_context.sent_at,
        request_context.event_id,
    )
    source_kind = request_context.source_kind
    source = wire.source_headers(request_context.source_name, source_kind)
    judge = plan.judge_read if plan else None
    allow_orders = request_context.allow_orders
    space, traceparent = request_context.space, request_context.traceparent
    trace = () if traceparent is None else (("traceparent", traceparent.encode()),)
    of_all = (*((("ce_space", space.encode()),) if space else ()), *trace)

    def read(raw: bytes, place: int) -> Ready | None:
        # As `normalise` and `keepable.check` have it; calls would cost some hundredths more.
        if (
            len(raw) > max_event_bytes
            or raw.count(b"{") + (raw.count(b"[") if _BRACKET in raw else 0) > MAX_DEPTH
            or (_BACKSLASH in raw and b"\\u0000" in raw)
        ):
            return None
        try:
            if len(raw) > LONG_BYTES and may_hold_long(raw):
                check(raw)
            message = _decode(raw)
            names = (message.user_id, message.anonymous_id)
            customer = known.get(names) or remember(names)
            context = bytes(message.context)
            surroundings = known_surroundings.get(context) or surroundings_reader.read(context)
            if surroundings is None:
                return None
            found = _meaning(type_ or message.type, message, customer, surroundings, request_context)
            if found is None:
                return None
            name, properties, body, identities = found
            if enough is not None and name not in enough:
                return None
            violation = judge and judge(name, properties)
            stamped = _parse_time(message.original_timestamp if message.timestamp is None else message.timestamp)
            message_id = _text(message.message_id)
            if (
                (violation is not None and violation.mode is Mode.ENFORCE)
                or stamped.tzinfo is not UTC
                or not 0 < len(message_id) <= MAX_MESSAGE_ID_LENGTH
            ):
                return None
            received_at = request_received_at + _MICROSECONDS[place]
            sent_at = request_sent_at or times.moment(message.sent_at)
            occurred_at = times.corrected(stamped, sent_at, received_at, historical=surroundings.historical)
            event_id = str(make_id(message_id)).encode()
            headers = wire.event_headers(event_id, occurred_at, received_at, type(body), source)
            if surroundings.historical:
                headers.append(wire.HISTORICAL)
            if not (trusted or may_say(source_kind, type(body), allow_orders=allow_orders)):
                headers.append(wire.unverified_header())
            headers += of_all
            value = wire.encode_value(body, identities, stamped, surroundings.written)
        except (TypeError, BadEvent, *INVALID_DATA):  # a TypeError, if what should be a text is not one
            return None
        return Ready(topics.EVENTS, customer.key, value, headers, 0, event_id, violation)

    return read


def _nothing(_: bytes, __: int) -> Ready | None:
    return None


class _SurroundingsReader:
    """Reads the contexts of the events of a request; each once for all events that share it."""

    def __init__(self, request_context: RequestContext) -> None:
        self._request_context = request_context
        self.known: dict[bytes, Surroundings | None] = {}

    def read(self, raw: bytes) -> Surroundings | None:
        """Returns None if the context says more of whom an event is about."""
        if raw in self.known:
            return None
        found = self._request_context.event_context(raw)
        sent = found.sent
        historical = self._request_context.historical if sent.historical is None else sent.historical is True
        page = as_dict(sent.page)
        self.known[raw] = known = (
            None
            if sent.traits
            else Surroundings(
                written=found.written,
                page=OpenPage(*[short(page.get(name)) for name in OpenPage.__struct_fields__]),
                historical=self._request_context.trusted and historical,
                consents=sent.consent is not None,
            )
        )
        return known


class _Customers:
    """Those whom events named lately, by their user id and anonymous id.

    A dictionary that is emptied when it is full: it touches less memory than one that keeps an order of use, and with
    so many at once that is what a look-up costs.
    """

    def __init__(self, secret: bytes, user_ids: Namespace) -> None:
        self._secret, self._user_ids = secret, user_ids
        self.known: dict[tuple[Any, Any], KnownCustomer] = {}

    def remember(self, names: tuple[Any, Any]) -> KnownCustomer:
        """Raises `BadEvent` or `TypeError` if that is nobody, or not valid; neither is remembered."""
        user = _named(self._user_ids, names[0])
        anonymous = _named(Namespace.ANONYMOUS_ID, names[1])
        identities = (*user, *anonymous)
        if not identities:
            raise BadEvent(Reason.IDENTITY, "identity: nobody is named")
        key = partition_key(str(identities[0]), secret=self._secret)
        if len(self.known) >= REMEMBERED_CUSTOMERS:
            self.known.clear()
        found = self.known[names] = KnownCustomer(user, anonymous, wire.encode_part(identities), key)
        return found


_customers: Final = lru_cache(REMEMBERED_SECRETS)(_Customers)


def _named(namespace: Namespace, value: Any) -> tuple[Identity, ...]:
    if value is None:
        return ()
    if len(value) > MAX_VALUE_LENGTH:  # though of spaces it may be: nothing long is to be remembered
        raise BadEvent(Reason.IDENTITY, "identity: too long")
    found = identity.named(namespace, value, at=namespace)
    if found is None and value.strip():  # a placeholder: those are counted
        raise BadEvent(Reason.IDENTITY, "identity: means nobody")
    return () if found is None else (found,)
