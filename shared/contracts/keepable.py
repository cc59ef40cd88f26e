"""What every part of the platform can keep and read back: PostgreSQL's `text` and `jsonb`, msgspec, and browsers.

All input is checked here before it is accepted, so that nothing is acknowledged that a later reader must refuse. JSON
is keepable if it is well formed (RFC 8259), in UTF-8 with whole pairs of surrogates, without U+0000 (which PostgreSQL's
`text` can't hold), not nested deeper than `MAX_DEPTH`, with names of at most `MAX_NAME_LENGTH` characters, and with
numbers that are whole ones of at most `MAX_DIGITS` digits, or that a double can hold.

Everything here takes time linear in its input.
"""

import re
from itertools import accumulate
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 64  # levels; JSON readers recurse, and each has a limit of its own
MAX_NAME_LENGTH: Final = 1_000  # characters of a member's name
MAX_DIGITS: Final = 1_000  # of a whole number; Python reads 4,300 of them, jsonb 131,072
MAX_TEXT_LENGTH: Final = 1_000  # characters of a reason that repeats what came in
REPLACEMENT: Final = "\ufffd"

MAX_PLACE_LENGTH: Final = 200  # characters of the names that say where something is
_NUL_REFUSED: Final = "a text contains the character U+0000; remove it"
LONG_BYTES: Final = min(MAX_NAME_LENGTH, MAX_DIGITS)  # a text of at most this length holds nothing that is too long
_TOO_LARGE: Final = 10**MAX_DIGITS

# As numbers: looking for one of them in bytes costs a sixth of what looking for bytes of length 1 does.
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")

_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*+)\\u0000")
# A string that is not closed reaches to the end: looked for once, and not again from each quote within it.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_IN_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_BRACKETS: Final = b"{}[]"
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STEPS: Final = tuple({"{": 1, "[": 1, "}": -1, "]": -1}.get(chr(byte), 0) for byte in range(256))

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_decode: Final = msgspec.json.Decoder().decode


class NotKeepable(ValueError):
    """This can't be kept. The text says why, and what to do."""


def decode(raw: bytes) -> Any:
    """Returns the value of a JSON text. Raises `NotKeepable` for one that is not keepable, or no JSON."""
    _check_depth(raw)
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotKeepable(str(error)) from None
    if (b"\\u0000" in raw and _NUL.search(raw)) or _holds_long(value):
        _refuse(value)
    return value


def check(raw: bytes) -> None:
    """Raises `NotKeepable` for JSON that is not keepable. Quick: what decoding it finds is left to the decoding.

    Guarantee: whatever passes, and is then decoded by msgspec as a whole, is what `decode` returns of it.
    """
    _check_depth(raw)
    if _BACKSLASH in raw:
        _check_nul(raw)
    if may_hold_long(raw):
        decode(raw)


def may_hold_long(raw: bytes) -> bool:
    """Returns whether JSON may hold too long a name or a number: not if its quotes follow each other closely."""
    at, end = 0, len(raw) - LONG_BYTES
    while at < end:
        at = raw.rfind(_QUOTE, at, at + LONG_BYTES) + 1
        if not at:
            return True
    return _BACKSLASH in raw and b'\\"' in raw


def _check_depth(raw: bytes) -> None:
    if is_too_deep(raw):
        raise NotKeepable(f"nested deeper than {MAX_DEPTH} levels; send it flatter")


def is_too_deep(raw: bytes) -> bool:
    """Returns whether JSON is nested deeper than every later reader can be relied on to follow."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False  # so it is with nearly every event, and cheap to see
    brackets = _STRING.sub(b"", raw).translate(None, _OTHERS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH


def _check_nul(raw: bytes) -> None:
    # The first is there for speed alone.
    if b"\\u0000" in raw and _NUL.search(raw):
        raise NotKeepable(_NUL_REFUSED)


Place = tuple[Any, str | int] | None  # where the object or the array is, and the name or the number in it


def _holds_long(value: Any) -> bool:
    """Returns whether there is a name or a number that is too long."""
    waiting = [[value]]
    while waiting:
        one: Any = waiting.pop()
        if type(one) is dict:
            if max(map(len, one), default=0) > MAX_NAME_LENGTH:
                return True
            one = one.values()
        for part in one:
            kind = type(part)
            if kind is dict or kind is list:
                waiting.append(part)
            elif kind is int and not -_TOO_LARGE < part < _TOO_LARGE:
                return True
    return False


def _refuse(value: Any) -> None:
    """Raises `NotKeepable` for the first part that is wrong, with its place."""
    waiting: list[tuple[Any, Place]] = [(value, None)]
    while waiting:
        one, place = waiting.pop()
        if isinstance(one, dict):
            waiting.extend((part, (place, name)) for name, part in one.items())
            waiting.extend((_Name(name), (place, name)) for name in one)
        elif isinstance(one, list):
            waiting.extend((part, (place, number)) for number, part in enumerate(one))
        elif (wrong := _wrong_with(one)) is not None:
            raise NotKeepable(f"{_written(place)}{wrong}")


class _Name(str):
    """The name of a member."""

    __slots__ = ()


def _wrong_with(one: Any) -> str | None:
    if isinstance(one, str):
        if isinstance(one, _Name) and len(one) > MAX_NAME_LENGTH:
            return f"a name is longer than {MAX_NAME_LENGTH} characters; send a shorter one"
        return _NUL_REFUSED if "\x00" in one else None
    if isinstance(one, int) and not -_TOO_LARGE < one < _TOO_LARGE:
        return f"a number has more than {MAX_DIGITS} digits; send a smaller one, or a text"
    return None


def _written(place: Place) -> str:
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(str(name))
    return text(".".join(reversed(names)), limit=MAX_PLACE_LENGTH) + ": " if names else ""


def text(value: str, *, limit: int = MAX_TEXT_LENGTH) -> str:
    """Returns a text cut to `limit` characters, with U+FFFD for whatever in it can't be kept.

    For reasons, which repeat what was wrong.
    """
    cut = value if len(value) <= limit else f"{value[: limit - 1]}…"
    return _NOT_IN_TEXT.sub(REPLACEMENT, cut)


def encode(value: Any) -> str:
    """Returns JSON of what may be refused elsewhere, with U+FFFD for U+0000. Raises what msgspec raises."""
    made = _encode(value)
    if b"\\u0000" in made:
        made = _NUL.sub(rb"\1\\ufffd", made)
    return made.decode()
