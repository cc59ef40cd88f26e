"""Write keys: what they look like, and how they are cut out of what is kept."""

import re
from typing import Final

import msgspec

PREFIX: Final = "rk_"  # so that a leaked key can be found by its looks
RANDOM_BYTES: Final = 32  # in URL-safe base64, 43 characters
REMOVED: Final = b"[write key]"

_MEMBER: Final = b"writekey"
_KEY: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}".encode())

# A JSON string, and whether it names a member. One that is not closed reaches to the end: each byte is read once.
_STRING: Final = re.compile(
    rb'"(?P<text>(?:[^"\\]++|\\.)*+)(?P<end>"|\\?\Z)(?P<names>[ \t\r\n]*+:[ \t\r\n]*+)?+', re.DOTALL
)
_ESCAPE: Final = re.compile(rb"\\(?:u00(?P<code>[2-7][0-9a-fA-F])|.)", re.DOTALL)
_IN_KEYS: Final = re.compile(rb"[A-Za-z0-9_-]")

_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_write_keys(raw: bytes) -> bytes:
    """Returns JSON, or what should have been, without write keys: at any depth, and however it escapes them.

    A member named `writeKey`, whatever its capitals and underscores, is left out of the outermost object, and emptied
    elsewhere if it is a text. What looks like a key is cut out of every text. All else stays as it came. The time is
    linear in the size.
    """
    return _KEY.sub(REMOVED, _STRING.sub(_Cut(), _without_outermost(raw)))


def text_without_write_keys(text: str) -> str:
    """Returns the text with whatever looks like a write key cut out."""
    return _KEY.sub(REMOVED, text.encode(errors="surrogatepass")).decode(errors="surrogatepass")


class _Cut:
    """What becomes of each string of a document, in their order."""

    def __init__(self) -> None:
        self._value_at = -1  # where the value of a member of that name begins

    def __call__(self, found: re.Match[bytes]) -> bytes:
        """Returns the string as it may be kept."""
        names = found["names"]
        if names is None and found.start() == self._value_at:
            return b'""'
        text = _plain(found["text"])
        if names is not None and _is_write_key(text):
            self._value_at = found.end()
        return found[0] if _KEY.search(text) is None else b'"' + _KEY.sub(REMOVED, text) + found["end"] + (names or b"")


def _without_outermost(raw: bytes) -> bytes:
    try:
        members = _decode_members(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return raw
    kept = {name: value for name, value in members.items() if not _is_write_key(name.encode())}
    return raw if len(kept) == len(members) else msgspec.json.encode(kept)


def _is_write_key(name: bytes) -> bool:
    return name.replace(b"_", b"").replace(b"-", b"").lower() == _MEMBER


def _plain(text: bytes) -> bytes:
    """Returns the text with the characters of keys unescaped."""
    return _ESCAPE.sub(_unescaped, text) if b"\\" in text else text


def _unescaped(found: re.Match[bytes]) -> bytes:
    character = bytes.fromhex((found["code"] or b"00").decode())
    return character if _IN_KEYS.match(character) else found[0]
