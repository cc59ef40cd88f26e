"""Uploads of customers, as CSV or NDJSON: read a part at a time, each bad row named with its line and reason.

A row is one line; a customer is a profile id, or an identity as `namespace:value`.
"""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from shared.contracts import keepable, normal_form
from shared.contracts.identity import MAX_VALUE_LENGTH, Identity, Namespace
from shared.errors import Invalid

Format = Literal["csv", "ndjson"]

MAX_ROWS: Final = 100_000  # of an upload
MAX_BAD_ROWS: Final = 1_000  # so many at most are named; an upload with more is no list of customers
MAX_LINE_BYTES: Final = 4_096
ROWS_AT_ONCE: Final = 200  # that are read before somebody else has a turn
COLUMNS: Final = ("ref", "expires_at")
UUID_LENGTH: Final = 36

_BOM: Final = b"\xef\xbb\xbf"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can be read: whom it names, by one of the two, and until when it holds. `row` is its line, from 1."""

    row: int
    profile_id: UUID | None = None
    identity: Identity | None = None
    expires_at: datetime | None = None


class BadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not taken: its line, from 1, and why."""

    row: int
    reason: str


class UnreadableUpload(Invalid):
    """The upload can't be read, or has too many bad rows; nothing of it was taken."""

    def __init__(self, detail: str, bad: Sequence[BadRow] = ()) -> None:
        super().__init__(detail)
        self.errors = [{"at": f"row {one.row}", "message": one.reason} for one in bad]


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    ref: str
    expires_at: str | None = None


class _BadRow(Exception):
    """Why a row is not taken."""


class UploadReader:
    """Reads an upload as it comes in. `entries` and `bad` grow; nothing else of it is kept."""

    def __init__(self, format_: Format, *, now: datetime, expires_at: datetime | None = None) -> None:
        self.entries: list[Entry] = []
        self.bad: list[BadRow] = []
        self._format = format_
        self._now = now
        self._expires_at = expires_at
        self._columns: Sequence[str] = ()
        self._waiting = b""
        self._line = 0

    def feed(self, part: bytes) -> Iterator[None]:
        """Reads the lines that end in this part, and pauses after every few. Raises `UnreadableUpload`."""
        *lines, self._waiting = (self._waiting + part).split(b"\n")
        for n, line in enumerate(lines, 1):
            self._read(line)
            if n % ROWS_AT_ONCE == 0:
                yield
        if len(self._waiting) > MAX_LINE_BYTES:
            raise UnreadableUpload(
                f"row {self._line + 1}: longer than {MAX_LINE_BYTES} bytes; send one customer a line"
            )

    def finish(self) -> None:
        """Reads what is left. Raises `UnreadableUpload`, also for an upload without any row that can be taken."""
        if self._waiting:
            self._read(self._waiting)
            self._waiting = b""
        if not self.entries:
            raise UnreadableUpload("no row could be taken" if self.bad else "it has no rows", self.bad)

    def _read(self, raw: bytes) -> None:
        self._line += 1
        if self._line == 1:
            raw = raw.removeprefix(_BOM)
        raw = raw.strip(b"\r")
        if not raw.strip():
            return
        if self._format == "csv" and not self._columns:
            self._columns = _header(raw)
            return
        if len(self.entries) + len(self.bad) == MAX_ROWS:
            raise UnreadableUpload(f"more than {MAX_ROWS} rows; send several uploads")
        try:
            self.entries.append(self._entry(raw))
        except _BadRow as error:
            self.bad.append(BadRow(row=self._line, reason=str(error)))
            if len(self.bad) > MAX_BAD_ROWS:
                raise UnreadableUpload(
                    f"more than {MAX_BAD_ROWS} bad rows; the first of them are named", self.bad
                ) from None

    def _entry(self, raw: bytes) -> Entry:
        if len(raw) > MAX_LINE_BYTES:
            raise _BadRow(f"longer than {MAX_LINE_BYTES} bytes")
        line = _of_csv(raw, self._columns) if self._format == "csv" else _of_json(raw)
        expires_at = self._expires_at if not line.expires_at else _moment(line.expires_at)
        if expires_at is not None and expires_at <= self._now:
            raise _BadRow(f"expires_at: {expires_at.isoformat()} is over")
        named = who(line.ref)
        if isinstance(named, UUID):
            return Entry(row=self._line, profile_id=named, expires_at=expires_at)
        return Entry(row=self._line, identity=named, expires_at=expires_at)


def who(ref: str) -> UUID | Identity:
    """Returns whom a reference names. Raises an error whose text says what is wrong with it."""
    ref = ref.strip()
    if not ref:
        raise _BadRow("ref: empty; give a profile id, or namespace:value such as email:ann@example.com")
    namespace, colon, value = ref.partition(":")
    if not colon:
        return _profile_id(ref)
    try:
        kind = Namespace(namespace)
    except ValueError:
        known = ", ".join(one.value for one in Namespace)
        raise _BadRow(
            f"ref: there is no namespace {keepable.text(namespace, limit=40)!r}; the namespaces are {known}"
        ) from None
    if len(value) > MAX_VALUE_LENGTH:
        raise _BadRow(f"ref: longer than {MAX_VALUE_LENGTH} characters")
    if keepable.text(value) != value:
        raise _BadRow("ref: has a character that can't be kept, such as U+0000")
    found = normal_form.of(kind, value)
    if not found:
        hint = "; a phone number needs its country, as in +49 30 123456" if kind is Namespace.PHONE else ""
        raise _BadRow(f"ref: {value!r} is no {kind.value} of anybody{hint}")
    return Identity(kind, found)


def _profile_id(ref: str) -> UUID:
    try:
        if len(ref) == UUID_LENGTH:
            return UUID(ref)
    except ValueError:
        pass
    raise _BadRow(f"ref: {keepable.text(ref, limit=80)!r} is neither a profile id nor namespace:value")


def _header(raw: bytes) -> Sequence[str]:
    try:
        names = [name.strip() for name in next(csv.reader([raw.decode()], strict=True))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableUpload(f"row 1: {error}; it must name the columns, ref and, if need be, expires_at") from None
    if names[0] not in COLUMNS or sorted(set(names) & set(COLUMNS)) != sorted(names) or "ref" not in names:
        shown = keepable.text(", ".join(names), limit=200)
        raise UnreadableUpload(f"row 1: the columns are {shown}; they must be ref and, if need be, expires_at")
    return names


def _of_csv(raw: bytes, columns: Sequence[str]) -> _Line:
    try:
        fields = next(csv.reader([raw.decode()], strict=True))
    except UnicodeDecodeError:
        raise _BadRow("not in UTF-8") from None
    except csv.Error as error:
        raise _BadRow(f"not CSV: {error}") from None
    if len(fields) != len(columns):
        raise _BadRow(f"{len(fields)} fields, and the first row names {len(columns)} columns")
    found = dict(zip(columns, fields, strict=True))
    return _Line(ref=found["ref"], expires_at=found.get("expires_at", "").strip() or None)


def _of_json(raw: bytes) -> _Line:
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _BadRow(f"not as it must be: {keepable.text(str(error), limit=200)}") from None


_decode: Final = msgspec.json.Decoder(_Line).decode


def _moment(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _BadRow(f"expires_at: {keepable.text(text, limit=40)!r} is no time with a zone; send 2026-12-31T23:00:00Z")
