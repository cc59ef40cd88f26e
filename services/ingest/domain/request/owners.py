"""Whose orders are: shops name the customer with the order, and send its refunds and parcels without the customer."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.values.message import as_dict, decode_object, text
from shared.contracts.identity import Identity, Namespace


class Owner(msgspec.Struct, frozen=True):
    """An order, by its own id, and the customer who placed it: nobody whom its shop knows, without identities."""

    order_id: str
    identities: tuple[Identity, ...]


Owners = Mapping[str, Owner]  # by the name that a payload has for the order
NOBODYS: Final[Owners] = {}


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    user_id: Any = None
    anonymous_id: Any = None
    context: Any = None
    properties: Any = None

    @property
    def order_id(self) -> str:
        return text(as_dict(self.properties).get("order_id"))

    @property
    def names_nobody(self) -> bool:
        return not (self.user_id or self.anonymous_id or as_dict(self.context).get("traits"))


def orders_of_nobody(messages: list[bytes]) -> list[str]:
    """Returns the orders that messages are about without naming a customer."""
    decoded = [_decode(one) for one in messages]
    return [one.order_id for one in decoded if one.names_nobody and one.order_id]


def of_nobody(messages: list[bytes], owners: Owners) -> bool:
    """Returns whether all these messages are about orders that nobody known has placed."""
    decoded = [_decode(one) for one in messages]
    return bool(decoded) and all(
        one.names_nobody and (owner := owners.get(one.order_id)) is not None and not owner.identities for one in decoded
    )


def owned(messages: list[bytes], owners: Owners) -> list[bytes]:
    """Returns the same messages. One that is about an order and names nobody now names the order's owner, and the order
    by the owner's name for it.
    """
    return [_owned(one, owners) for one in messages] if owners else messages


def _owned(raw: bytes, owners: Owners) -> bytes:
    message = _decode(raw)
    owner = owners.get(message.order_id)
    if owner is None or not owner.identities or not message.names_nobody:
        return raw
    ids = {one.namespace.kind: one.value for one in owner.identities}
    traits = {name.value: ids[name] for name in (Namespace.EMAIL, Namespace.PHONE) if name in ids}
    return _encode(
        {
            **decode_object(raw),
            "userId": ids.get(Namespace.USER_ID),
            "anonymousId": ids.get(Namespace.ANONYMOUS_ID),
            "context": {**as_dict(message.context), "traits": traits},
            "properties": {**as_dict(message.properties), "order_id": owner.order_id},
        }
    )


_decode: Final = msgspec.json.Decoder(_Message).decode
_encode: Final = msgspec.json.Encoder().encode
