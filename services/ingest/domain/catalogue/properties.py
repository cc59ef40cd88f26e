"""Properties of an event, read as one type; and what is said in them beside what a typed event holds."""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

Held = tuple[tuple[str, ...], ...]  # names of properties; those in one tuple stand for each other

_P = TypeVar("_P", bound=msgspec.Struct)

NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})  # said of a property, these say no more than to leave it out


class Properties(Generic[_P]):
    """How properties are read, and which of them a typed event holds: of some that stand for each other the first that
    was said. Mostly nothing else is said, and then they need not be read a second time.
    """

    def __init__(self, read_as: type[_P], *held: str | tuple[str, ...], known: type[_P] | None = None) -> None:
        """`known` is the same type without room for anything else, where that goes deeper than its own fields."""
        self.held: Held = tuple((one,) if isinstance(one, str) else one for one in held)
        only: Any = known or msgspec.defstruct("Known", [], bases=(read_as,), frozen=True, forbid_unknown_fields=True)
        self._read, self._read_known = msgspec.json.Decoder(read_as).decode, msgspec.json.Decoder(only).decode
        names = {name for names in self.held for name in names}
        self._never_held = tuple(name for name in read_as.__struct_fields__ if name not in names)
        self._alternatives = tuple(names for names in self.held if len(names) > 1)

    def read(self, properties: bytes) -> tuple[_P, bool]:
        """What they say, and whether the typed event holds all of it. Raises `msgspec.ValidationError`."""
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
    """The properties that a typed event does not hold, and that say something."""
    names = {next((name for name in names if fields.get(name) not in NOTHING), "") for names in held}
    return {name: value for name, value in fields.items() if name not in names and value not in NOTHING}
