"""What a `track` call means: one of the catalogue's events, with all further properties as its `extra`."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue.entry import CatalogueEntry
from services.ingest.domain.catalogue.parts import LINE
from services.ingest.domain.catalogue.properties import beside
from services.ingest.domain.catalogue.registry import BY_NAME
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import message
from services.ingest.domain.values.message import members
from shared.contracts.events import Body, WithExtra


def understood(name: str, properties: bytes, message_id: str) -> Body | None:
    """Returns the typed event that a `track` of this name is; None if it is a `CustomEvent`.

    Raises `BadEvent` if it should be a typed event and is invalid.
    """
    entry = BY_NAME.get(name.lower())
    if entry is None:
        return None
    if entry.whole is not None and _has_products(properties):
        whole = _typed(entry.whole, name, properties, message_id)
        if whole is not None:
            return whole
    return _typed(entry, name, properties, message_id)


class _Products(msgspec.Struct, frozen=True):
    products: msgspec.Raw = msgspec.Raw()


_decode_products: Final = msgspec.json.Decoder(_Products).decode


def _has_products(properties: bytes) -> bool:
    try:
        return bool(bytes(_decode_products(properties).products))
    except msgspec.ValidationError:
        return False


def _typed(entry: CatalogueEntry, name: str, properties: bytes, message_id: str) -> Body | None:
    if entry.properties is None or entry.rule is None:
        return None
    try:
        read, held = entry.properties.read(properties)
        body = entry.rule(read, message_id)
    except (BadEvent, msgspec.ValidationError) as error:
        if entry.lenient:
            return None
        if isinstance(error, BadEvent):
            raise
        raise BadEvent(Reason.MALFORMED, f"properties of {name!r}: {error}; send the type that it expects") from None
    if body is None or (held and _holds(entry, body, read)):
        return body
    return _with_the_rest(entry, body, message.decode_object(properties))


def _holds(entry: CatalogueEntry, body: WithExtra, read: Any) -> bool:
    """Returns whether this very event holds all its properties and those of its lines."""
    if any(getattr(read, name) is not None for name in entry.not_held(body)):
        return False
    if entry.has_items:
        for one in members(read.products):
            if one.currency is not None or (one.sku is not None and one.product_id is not None):
                return False
    return True


def _with_the_rest(entry: CatalogueEntry, body: Any, fields: Mapping[str, Any]) -> Body:
    assert entry.properties is not None
    not_held = entry.not_held(body)
    held = tuple(names for names in entry.properties.held if not set(names).intersection(not_held))
    changes: dict[str, Any] = {}
    if extra := beside(fields, held):
        changes["extra"] = extra
    if entry.has_items:
        lines = [beside(one, LINE) for one in members(fields.get("products"))]
        if any(lines):
            changes["items"] = tuple(
                msgspec.structs.replace(item, extra=extra) if extra else item
                for item, extra in zip(body.items, lines, strict=True)
            )
    result: Body = msgspec.structs.replace(body, **changes) if changes else body
    return result
