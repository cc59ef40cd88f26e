"""Properties of an event, read as one type, and those that a typed event does not hold."""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

Held = tuple[tuple[str, ...], ...]  # names of properties; those in one tuple stand for each other

_P = TypeVar("_P", bound=msgspec.Struct)

# A property with one of these values says no more than an absent one.
NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


class Properties(Generic[_P]):
    """How properties are read, and which of them a typed event holds: among alternatives, the first that is present.
    Mostly nothing else is present, and then they need not be read a second time.
    """

    def __init__(self, read_as: type[_P], *held: str | tuple[str, ...], known: type[_P] | None = None) -> None:
        """`known` is the same type, forbidding unknown fields, for a type whose nested types must forbid them too."""
        self.held: Held = tuple((one,) if isinstance(one, str) else one for one in held)
        only: Any = known or msgspec.defstruct("Known", [], bases=(read_as,), frozen=True, forbid_unknown_fields=True)
        self._read, self._read_known = msgspec.json.Decoder(read_as).decode, msgspec.json.Decoder(only).decode
        names = {name for names in self.held for name in names}
        self._never_held = tuple(name for name in read_as.__struct_fields__ if name not in names)
        self._alternatives = tuple(names for names in self.held if len(names) > 1)

    def read(self, properties: bytes) -> tuple[_P, bool]:
        """Returns the values, and whether the typed event holds all of them. Raises `msgspec.ValidationError`."""
        try:
            values: _P = self._read_known(properties)
        except msgspec.ValidationError:
            return self._read(properties), False
        return values, not self._more_than_held(values)

    def _more_than_held(self, values: _P) -> bool:
        for name in self._never_held:
            if getattr(values, name) is not None:
                return True
        for names in self._alternatives:
            one_given = False
            for name in names:
                if getattr(values, name) is not None:
                    if one_given:
                        return True
                    one_given = True
        return False


def beside(fields: Mapping[str, Any], held: Held) -> dict[str, Any]:
    """Returns the properties that a typed event does not hold and that are not empty."""
    names = {next((name for name in names if fields.get(name) not in NOTHING), "") for names in held}
    return {name: value for name, value in fields.items() if name not in names and value not in NOTHING}
