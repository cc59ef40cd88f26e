"""Earlier versions of types: each stays readable for ever, and is written while a reader may not know the next one.

Version 2 of facts calls `extra` what the first one called `more`, of an event and of its lines; and an event whose
source is not believed has the header `ce_unverified` instead of `ce_claim`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from shared.contracts.events import FACTS, Body, Item

CURRENT: Final = 2
"""What `WIRE_VERSION` may be at most: the version that this code writes where nothing else is set."""

_EARLIER_NAMES: Final = {"extra": "more"}


def _first_version(struct: type[msgspec.Struct], changes: Mapping[str, Any]) -> type[Any]:
    """Returns a struct of the same fields, some of them by their earlier names, or of another type."""
    fields = []
    for one in msgspec.structs.fields(struct):
        annotation = changes.get(one.name, one.type)
        if one.default_factory is not msgspec.NODEFAULT:
            fields.append((one.name, annotation, msgspec.field(default_factory=one.default_factory)))
        elif one.default is not msgspec.NODEFAULT:
            fields.append((one.name, annotation, msgspec.field(default=one.default)))
        else:
            fields.append((one.name, annotation, msgspec.field()))
    return msgspec.defstruct(
        f"{struct.__name__}V1",
        fields,
        rename=_EARLIER_NAMES,
        frozen=True,
        kw_only=True,
        omit_defaults=True,
        gc=False,
    )


_ITEM: Final[Any] = _first_version(Item, {})
_ITEMS: Final[Any] = tuple[_ITEM, ...]
_FIRST: Final[Mapping[type[Body], type[Any]]] = {
    body: _first_version(body, {"items": _ITEMS}) for body in FACTS if body.FIRST
}

FIRST_NAMES: Final[Mapping[type[Body], str]] = {body: body.FIRST for body in _FIRST}
"""The names of first versions, by what they are now."""


def _converted(value: Any, to: type[Any], item: type[Any]) -> Any:
    fields = {name: getattr(value, name) for name in to.__struct_fields__}
    if "items" in fields:
        fields["items"] = tuple(
            item(**{name: getattr(one, name) for name in Item.__struct_fields__}) for one in fields["items"]
        )
    return to(**fields)


def as_first(body: Body) -> Any:
    """Returns what is written of a body while version 1 is; the body itself, if it has no other version."""
    first = _FIRST.get(type(body))
    return body if first is None else _converted(body, first, _ITEM)


Decode = Callable[[bytes | str], Body]


def decoders() -> dict[str, Decode]:
    """Returns what reads the first versions, by their names."""
    return {body.FIRST: _reader(body, first) for body, first in _FIRST.items()}


def _reader(body: type[Body], first: type[Any]) -> Decode:
    decode = msgspec.json.Decoder(first).decode

    def read(raw: bytes | str) -> Body:
        found: Body = _converted(decode(raw), body, Item)
        return found

    return read
