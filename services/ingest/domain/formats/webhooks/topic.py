"""What a payload is of, by the payload itself: a topic stands in a header, which the signature does not cover."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from services.ingest.domain.errors import BadEvent, Reason

Parts = Mapping[str, msgspec.Raw]

_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str | None).decode


def parts(raw: bytes) -> Parts:
    """Returns the fields of a payload; raises what msgspec raises if it is not an object."""
    return _decode(raw)


def text_of(found: Parts, name: str) -> str:
    """Returns the text in a field; empty if there is none."""
    try:
        return _decode_text(found[name]) or "" if name in found else ""
    except msgspec.MsgspecError:
        return ""


def has_any(found: Parts, names: Collection[str]) -> bool:
    """Returns whether a payload has one of these fields."""
    return any(name in found for name in names)


def check(header: str, topic: str, *, of: str, found: str | None) -> None:
    """Returns if the payload is what its topic says; raises `BadEvent`.

    Otherwise a captured delivery that is sent again under another topic would get another meaning: a product would
    become a customer, an order its own deletion.
    """
    if of != found:
        raise BadEvent(
            Reason.FORMAT, f"{header}: {topic!r} is about {of}, and the body is {found or 'nothing that is known here'}"
        )
