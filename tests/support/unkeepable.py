"""JSON that PostgreSQL, or some reader, would refuse: each by its name, as the bytes of a value."""

from collections.abc import Mapping
from typing import Final

from shared.contracts.keepable import MAX_DEPTH, MAX_DIGITS, MAX_NAME_LENGTH

DEEP: Final = 500  # levels: as deep as Python's own readers follow, and deeper than others do

VALUES: Final[Mapping[str, bytes]] = {
    "U+0000": b'"a\\u0000b"',
    "U+0000 in a name": b'{"a\\u0000b": 1}',
    "U+0000 within": b'{"a": [{"b": "\\u0000"}]}',
    "half an emoji": b'"\\ud83d"',
    "half an emoji in a name": b'{"\\ude00": 1}',
    "no UTF-8": b'"\xff"',
    "infinity": b"1e400",
    "minus infinity": b"[-1e999]",
    "no number": b"NaN",
    "too many digits": b"1" * (MAX_DIGITS + 1),
    "more digits than Python reads": b"1" * 5_000,
    "too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "far too deep": b"[" * DEEP + b"]" * DEEP,
    "too long a name": b'{"' + b"n" * (MAX_NAME_LENGTH + 1) + b'": 1}',
}
# What a message of the tracking API is spared, as its sender means no harm: U+FFFD and null stand for them.
MENDED: Final = frozenset({"half an emoji", "half an emoji in a name", "no number"})
