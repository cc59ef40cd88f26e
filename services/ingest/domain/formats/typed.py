"""The bodies of the typed routes, and what they mean: one route for each event of the catalogue that has one.

Each is what a storefront or a back office knows of one thing that happened. Fields that are not known are refused, so
that a misspelt one is not lost. Amounts are decimals in the currency's own units, as a text or as a number.
"""

import hashlib
from typing import Final

import msgspec

from services.ingest.domain.catalogue.entry import EventMeaning, Fact, FactCall, Fields
from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.ingest.domain.catalogue.understanding import understood
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.formats.tracking import Understood, believed_words
from services.ingest.domain.request.context import RequestContext
from services.ingest.domain.values import identity, phone
from services.ingest.domain.values.message import Context, Message, decode_object
from shared.contracts.events import CustomEvent

# Texts that must not be empty: an empty one would be taken for one that was left out.
_REQUIRED: Final = {
    path: [field.name for field in msgspec.structs.fields(route.body) if field.required and field.type is str]
    for path, route in TYPED_ROUTES.items()
}
_decoders: Final = {path: msgspec.json.Decoder(route.body).decode for path, route in TYPED_ROUTES.items()}
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def understand(path: str, raw: bytes, idempotency_key: str, context: RequestContext) -> Understood:
    """Returns what the body of a typed route means; raises `BadEvent`, naming the field."""
    fact = _read(path, raw)
    message_id = _message_id(path, fact, idempotency_key, context)
    customer = fact.customer
    contact_points = {name: value for name in ("email", "phone", "country") if (value := getattr(customer, name))}
    own = getattr(fact, "traits", None)
    message = Message(user_id=customer.user_id, anonymous_id=customer.anonymous_id, traits=own)
    traits = identity.of_customer(
        message, Context(traits=contact_points), of_group=False, source_country=context.country
    )

    def track(name: str, properties: Fields) -> EventMeaning:
        name, raw_properties = context.renaming.apply(name, _encode(properties))
        body = understood(name, raw_properties, message_id)
        renamed = decode_object(raw_properties)
        return EventMeaning(name, CustomEvent(name=name, properties=renamed) if body is None else body, renamed)

    call = FactCall(traits, message_id, believed_words(context), track)
    meaning = TYPED_ROUTES[path].understand(fact, call)
    identities = identity.identities(message, traits, trusted=context.trusted)
    return Understood(
        name=meaning.name,
        body=meaning.body,
        message_id=message_id,
        identities=identities,
        properties=_encode(meaning.properties),
        timestamp=fact.occurred_at,
        context=context.event_context(b"").known,
        historical=fact.historical,
        source_version=fact.source_version,
        address=identity.email_in(traits) or "" if context.may_say else "",
        unread_phone=context.trusted and phone.is_unread(traits),
        placeholders=identity.placeholders(message, traits, identities, trusted=context.trusted),
    )


def _read(path: str, raw: bytes) -> Fact:
    try:
        fact: Fact = _decoders[path](raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(Reason.MALFORMED, f"body: {_named(str(error))}") from None
    for name in _REQUIRED[path]:
        if not getattr(fact, name).strip():
            raise BadEvent(Reason.REQUIRED, f"{name}: required; it must not be empty")
    country = fact.customer.country
    if country is not None and phone.country(country) is None:
        raise BadEvent(Reason.MALFORMED, f"customer.country: {country!r}; send {phone.EXAMPLE}")
    return fact


def fingerprint(path: str, raw: bytes) -> bytes:
    """Returns a digest of a body, whatever its spacing and the order of its members. Raises what msgspec raises."""
    return hashlib.blake2b(_encode(_decoders[path](raw)), digest_size=16).digest()


def _message_id(path: str, fact: Fact, idempotency_key: str, context: RequestContext) -> str:
    """Returns the id of the fact: the same for one Idempotency-Key, and as the route says without it.

    Equal bytes are not the same fact: an order of 100.00 is changed to 90.00, and back.
    """
    key = TYPED_ROUTES[path].key
    if idempotency_key:
        distinguished_by = idempotency_key.encode()
    elif key == "state":
        return context.new_message_id()
    elif key == "moment" and fact.occurred_at:
        distinguished_by = _encode(fact)
    elif key == "moment":
        raise BadEvent(Reason.REQUIRED, "occurred_at: required where there is no Idempotency-Key header; send either")
    else:
        raise BadEvent(Reason.REQUIRED, "Idempotency-Key: this header is required; send one for each fact")
    return f"{path}/{hashlib.blake2b(distinguished_by, digest_size=20).hexdigest()}"


def _named(text: str) -> str:
    """Returns an error of msgspec with its place as people write it."""
    return text.replace("`$.", "`").replace("`$`", "the body")


# A place in a `track` call, and the field of the typed body that it came from.
_PLACES: Final = (
    ("properties.products", "items"),
    ("].price", "].unit_price"),
    ("].cost", "].unit_cost"),
    ("].product_id", "].sku"),
    ("properties.", ""),
    ("traits.email", "customer.email"),
    ("traits.phone", "customer.phone"),
    ("traits.country", "customer.country"),
    ("userId", "customer.user_id"),
    ("an anonymousId", "a customer.anonymous_id"),
    ("anonymousId", "customer.anonymous_id"),
)


def placed(path: str, text: str) -> str:
    """Returns a refusal's text with the field names of the typed body that the event came from."""
    has_properties = "properties" in TYPED_ROUTES[path].body.__struct_fields__
    for theirs, ours in _PLACES:
        if not (has_properties and theirs.startswith("properties.")):
            text = text.replace(theirs, ours)
    return f"occurred_at{text.removeprefix('timestamp')}" if text.startswith("timestamp: ") else text
