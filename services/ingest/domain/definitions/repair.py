"""Repairs: what an operator changes in a refused payload before it is judged again.

    {"set": {"properties.currency": {"value": "EUR"}, "properties.total": "properties.amount"}, "remove": ["context"]}

`set` has the fields of a mapping: each says where in the payload the new value is found, or what it is. All are read
before any is set.
"""

from typing import Any, Final

import msgspec

from services.ingest.domain.definitions.budget import Budget
from services.ingest.domain.definitions.mapping import Field, fields_reader
from services.ingest.domain.errors import BadDefinition, BadEvent, Reason

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class RepairDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A repair as it is written. Names have dots for what lies inside."""

    set: dict[str, str | Field] = {}
    remove: list[str] = []


class Repair:
    """A repair, compiled. `text` is how it was written."""

    def __init__(self, document: bytes) -> None:
        """Raises `BadDefinition`, naming the place."""
        try:
            definition = msgspec.json.decode(document, type=RepairDocument)
        except msgspec.MsgspecError as error:
            raise BadDefinition(str(error)) from None
        self.text = document.decode()
        self._read = fields_reader("set", definition.set)
        self._remove = [name.split(".") for name in definition.remove]

    def apply(self, raw: bytes) -> bytes:
        """Returns the payload, repaired. Raises `BadEvent` if it is not a JSON object."""
        try:
            payload = _decode(raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadEvent(Reason.MALFORMED, f"body: {error}; only a JSON object can be repaired") from None
        found = self._read(payload, Budget())
        for path in self._remove:
            _remove(payload, path)
        return _encode(_merged(payload, found))


def _merged(payload: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged, name by name; anything else is replaced."""
    made = dict(payload)
    for name, value in found.items():
        known = made.get(name)
        made[name] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return made


def _remove(payload: dict[str, Any], path: list[str]) -> None:
    for name in path[:-1]:
        inner = payload.get(name)
        if not isinstance(inner, dict):
            return
        payload = inner
    payload.pop(path[-1], None)
