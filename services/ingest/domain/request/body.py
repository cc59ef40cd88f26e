"""A request's body: bounded while it streams in, unpacked if it is gzip, and cut into events.

The content types, encodings and lengths that SDKs announce are not believed: browsers send JSON as text, proxies
unpack bodies and leave the header. Only the bytes count.
"""

import re
import zlib
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.ingest.domain.errors import BadRequest
from services.ingest.domain.values.message import Context, context_in
from shared.contracts.keepable import decode

MAX_BODY_BYTES: Final = 512_000  # after unpacking, of whoever has not named a source before the body
MAX_BATCH_EVENTS: Final = 10_000
MAX_LARGE_BYTES: Final = 67_108_864  # of all bodies at one time, as far as each is above MAX_BODY_BYTES

TOO_LARGE: Final = "too_large"  # the code of a refusal for a limit

GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, section 2.3.1; no JSON text begins like this
_SLICE_BYTES: Final = 4_096  # of packed bytes, unpacked at a time
_GZIP_WINDOW_BITS: Final = 31  # with these zlib expects a gzip header


class NoRoom(Exception):
    """Other large bodies take all the room that there is for them."""


@dataclass(slots=True)
class LargeBodies:
    """The room that large bodies share: what each has above `MAX_BODY_BYTES`. Others never wait for it."""

    limit_bytes: int = MAX_LARGE_BYTES
    held_bytes: int = 0

    def hold(self, more: int) -> None:
        """Takes so many bytes; raises `NoRoom` if there are not as many."""
        if self.held_bytes + more > self.limit_bytes:
            raise NoRoom
        self.held_bytes += more

    def release(self, held: int) -> None:
        """Gives back what was taken."""
        self.held_bytes -= held


class BodyReader:
    """Collects a body chunk by chunk, never holding more than the limit, whatever the chunks unpack to.

    What is large takes its room of `large`, until it is closed.
    """

    def __init__(self, *, limit_bytes: int = MAX_BODY_BYTES, large: LargeBodies | None = None) -> None:
        self._limit = limit_bytes
        self._large = large
        self._held = 0
        self._fed = 0
        self._body = bytearray()
        self._gzip: Any = None  # zlib's decompressor; its type has no public name in Python 3.11
        self._seen_first = False

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        """Returns the whole body of these chunks. Raises `BadRequest`, and what the chunks' own source raises."""
        async for chunk in chunks:
            self.feed(chunk)
        return self.finish()

    def feed(self, chunk: bytes) -> None:
        """Takes the next chunk; raises `BadRequest` once the body is too large or its gzip is broken, or `NoRoom`."""
        self._fed += len(chunk)
        if self._fed > self._limit:  # packed or not: what unpacks to nothing takes time, too
            raise BadRequest(TOO_LARGE, f"body: larger than {self._limit} bytes; send smaller batches")
        if self._gzip is not None:
            self._unpack(chunk)
            return
        self._append(chunk)
        if not self._seen_first and len(self._body) >= len(GZIP_MAGIC):
            self._seen_first = True
            if self._body.startswith(GZIP_MAGIC):
                packed, self._body = bytes(self._body), bytearray()
                self._gzip = zlib.decompressobj(_GZIP_WINDOW_BITS)
                self._unpack(packed)

    def finish(self) -> bytes:
        """Returns the whole body. Raises `BadRequest` if its gzip ends too early."""
        if self._gzip is not None and not self._gzip.eof:
            raise BadRequest("invalid_gzip", "body: the gzip stream is cut off; send it again")
        return bytes(self._body)

    def close(self) -> None:
        """Gives back the room that the body took."""
        if self._large is not None:
            self._large.release(self._held)
            self._held = 0

    def _unpack(self, packed: bytes) -> None:
        # In slices: the bytes after the end of one of many short streams are copied each time.
        for at in range(0, len(packed), _SLICE_BYTES):
            self._unpack_slice(packed[at : at + _SLICE_BYTES])

    def _unpack_slice(self, chunk: bytes) -> None:
        while chunk:
            if self._gzip.eof:  # gzip files may follow each other: RFC 1952, section 2.2
                self._gzip = zlib.decompressobj(_GZIP_WINDOW_BITS)
            try:
                unpacked = self._gzip.decompress(chunk, self._limit - len(self._body) + 1)
            except zlib.error:
                raise BadRequest("invalid_gzip", "body: not valid gzip") from None
            self._append(unpacked)
            chunk = self._gzip.unused_data if self._gzip.eof else self._gzip.unconsumed_tail

    def _append(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._limit:
            raise BadRequest(TOO_LARGE, f"body: larger than {self._limit} bytes; send smaller batches")
        if self._large is not None and (more := len(self._body) + len(data) - MAX_BODY_BYTES - self._held) > 0:
            self._large.hold(more)
            self._held += more
        self._body += data


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What stands around the events of a request. A request without `batch` is one event itself."""

    batch: list[msgspec.Raw] | None = None
    write_key: Any = None
    sent_at: Any = None
    context: msgspec.Raw = msgspec.Raw()
    historical: Any = None


_decode: Final = msgspec.json.Decoder(Envelope).decode

# A string, or one of the numbers that Python and others write and JSON does not have. A string that is not closed
# reaches to the end, so that it is looked for once, and not again from each quote within it.
_TOKENS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|-?\b(?:NaN|Infinity)\b', re.DOTALL)

# What is right in a JSON string, as far as it goes, and half a pair of surrogates: what is left of a cut emoji.
_HALVES: Final = re.compile(
    rb"(?P<right>(?:[^\\]++"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\(?!u[dD][89a-fA-F][0-9a-fA-F]{2}).)*+)"
    rb"(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})?+",
    re.DOTALL,
)


def parse(body: bytes) -> tuple[Envelope, bytes]:
    """Returns the envelope of a body, and the body as it was read. Raises `BadRequest` if it is not JSON.

    JavaScript cuts texts in the middle of emoji and sends the halves: they become U+FFFD. Python writes `NaN` and the
    like: they become null. Otherwise one such value would cost a whole batch.
    """
    try:
        try:
            return _decode(body), body
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            whole = _TOKENS.sub(_repaired, body)
            return _decode(whole), whole
    except RecursionError:
        raise BadRequest("invalid_json", "body: nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest("invalid_json", f"body: {error}") from None


def _repaired(token: re.Match[bytes]) -> bytes:
    text = token[0]
    if not text.startswith(b'"'):
        return b"null"
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    return _HALVES.sub(lambda found: found["right"] + (rb"\ufffd" if found["half"] else b""), text)


def context_of(envelope: Envelope) -> Context:
    """Returns the context that all events of a batch share. Raises `BadRequest` if it is invalid, `NotKeepable` if it
    can't be kept.
    """
    raw = bytes(envelope.context)
    if raw:
        decode(raw)
    try:
        return context_in(raw)
    except msgspec.ValidationError as error:
        raise BadRequest("invalid_context", f"context: {error}") from None


def events_of(envelope: Envelope) -> list[bytes]:
    """Returns the events of a batch, undecoded. Raises `BadRequest` if there is no batch, or too many events in it."""
    if envelope.batch is None:
        raise BadRequest("invalid_batch", 'batch: required; send {"batch": [{"type": …}, …]}')
    if len(envelope.batch) > MAX_BATCH_EVENTS:
        raise BadRequest(TOO_LARGE, f"batch: more than {MAX_BATCH_EVENTS} events; send smaller batches")
    return list(map(bytes, envelope.batch))


def within(body: bytes, limit_bytes: int) -> bytes:
    """Returns a body, or the one event that it is. Raises `BadRequest` if it is too large: its sender learns that at
    once.
    """
    if len(body) > limit_bytes:
        raise BadRequest(TOO_LARGE, f"body: larger than {limit_bytes} bytes; send less at once")
    return body
