"""An event as SDKs send it: names in camel case, ids that may be null or numbers, empty objects that may be `[]`."""

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec

from services.ingest.domain.errors import BadEvent, Reason
from shared.contracts.keepable import NotKeepable, check
from shared.contracts.keepable import text as keepable_text

Scalar = str | int | float | None  # a text, which senders often send as a number
_Member = TypeVar("_Member")

_EMPTY: Final = (b"", b"null", b"[]")  # PHP writes an empty object as []


class ContextConsent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a customer agreed to, by channel."""

    category_preferences: Any = None


class Context(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The context of an event; only what this platform makes use of is read."""

    traits: dict[str, Any] | list[Any] | None = None
    consent: ContextConsent | list[Any] | None = None
    page: Any = None
    locale: Any = None
    historical: Any = None
    ip: Any = None
    user_agent: Any = None
    timezone: Any = None
    library: Any = None
    campaign: Any = None
    os: Any = None
    device: Any = None


NO_CONTEXT: Final = Context()


class Sent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One event, before it is understood, without its properties."""

    type: str | None = None
    message_id: Scalar = None
    timestamp: Any = None
    original_timestamp: Any = None  # RudderStack's: its Node SDK sends no other
    sent_at: Any = None
    user_id: Scalar = None
    anonymous_id: Scalar = None
    previous_id: Scalar = None
    group_id: Scalar = None
    event: Scalar = None
    name: Scalar = None
    category: Scalar = None
    traits: dict[str, Any] | list[Any] | None = None
    context: msgspec.Raw = msgspec.Raw()


class Message(Sent, frozen=True, kw_only=True):
    """One event, before it is understood, with its properties as they came."""

    properties: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(Message).decode
_decode_context: Final = msgspec.json.Decoder(Context).decode
_decode_dict: Final = msgspec.json.Decoder(dict[str, Any]).decode
_decode_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse(raw: bytes) -> Message:
    """Returns the message in an event's bytes. Raises `BadEvent`, or what msgspec raises."""
    return _decode(keepable(raw))


def keepable(raw: bytes, *, at: str = "event") -> bytes:
    """Returns the bytes, if every later reader can keep them. Raises `BadEvent`, naming `at`."""
    try:
        check(raw)
    except NotKeepable as error:
        raise BadEvent(Reason.MALFORMED, f"{at}: {error}") from None
    return raw


def properties(message: Message) -> bytes:
    """Returns the properties' bytes, always of an object."""
    raw = bytes(message.properties)
    return b"{}" if raw in _EMPTY else raw


def traits(message: Message) -> bytes:
    """Returns the traits' bytes, always of an object: a tracking plan judges these, of a call that has traits."""
    return msgspec.json.encode(as_dict(message.traits))


def members(found: Collection[_Member] | Mapping[str, _Member] | None) -> Collection[_Member]:
    """Returns the members of a list: PHP writes one whose keys are not 0, 1, 2 … as an object."""
    return found.values() if isinstance(found, Mapping) else found or ()


def decode_object(raw: bytes) -> dict[str, Any]:
    """Returns a JSON object. Raises what msgspec raises."""
    return _decode_dict(raw)


def as_dict(value: Any) -> dict[str, Any]:
    """Returns an object that may have come as null or `[]`, or as something else."""
    return value if isinstance(value, dict) else {}


def context_in(raw: bytes) -> Context:
    """Returns the context in its bytes, which may be null or `[]`. Raises what msgspec raises."""
    return NO_CONTEXT if raw in _EMPTY else _decode_context(raw)


def merged(batch: Context, item: Context) -> Context:
    """Returns the context of an item in a batch: the batch's, overridden name by name by the item's own."""
    if batch is NO_CONTEXT or batch == NO_CONTEXT:
        return item
    if item is NO_CONTEXT:
        return batch
    fields = {name: _or(getattr(item, name), getattr(batch, name)) for name in Context.__struct_fields__}
    return Context(**{**fields, "traits": {**as_dict(batch.traits), **as_dict(item.traits)}})


def _or(one: Any, other: Any) -> Any:
    return other if one is None or isinstance(one, list) else one


def text(value: Scalar) -> str:
    """Returns a scalar as a text without spaces around it; a whole number as its digits, however it was written."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def message_id_in(raw: bytes) -> str | None:
    """Returns the message id in the bytes of an event that was refused, if one can be found."""
    try:
        found = msgspec.json.decode(_decode_parts(raw)["messageId"], type=str)
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
        return None
    return keepable_text(found)
